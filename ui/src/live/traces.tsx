// The latest requests, and where the time of one of them went. The drawing is a table, so it can be read as one too.
import { useEffect, useState } from 'preact/hooks';
import { fetchTraces, type Trace } from '../api/trace';
import { duration } from '../design/format';
import { t } from '../i18n';
import { newestFirst, rowsOf, totalUs } from './waterfall';

const kPollMs = 2000;
const kShown = 8;

/** undefined until the first answer; null where the server keeps none. */
function useTraces(): Trace[] | null | undefined {
  const [traces, setTraces] = useState<Trace[] | null | undefined>(undefined);
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const ask = async () => {
      const found = document.hidden ? undefined : await fetchTraces().catch(() => undefined);
      if (gone) return;
      if (found !== undefined) setTraces(found);
      if (found !== null) timer = window.setTimeout(ask, kPollMs); // one that keeps none will not begin to
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, []);
  return traces;
}

const microseconds = (us: number) => (us < 1000 ? `${us.toFixed(0)} µs` : duration(us / 1e6));

function Waterfall({ trace }: { trace: Trace }) {
  const words = t.value.live;
  return (
    <div class="waterfall-box">
      <table class="waterfall" aria-label={words.spansOf(trace.model)}>
        <thead>
          <tr><th scope="col">{words.span}</th><th scope="col">{words.start}</th><th scope="col">{words.took}</th><th scope="col" class="lane">{words.timeline}</th></tr>
        </thead>
        <tbody>
          {rowsOf(trace).map((r, i) => (
            <tr key={i}>
              <th scope="row" class={`depth-${r.depth}`}>{r.name}</th>
              <td class="figure">{microseconds(r.startUs)}</td>
              <td class="figure">{microseconds(r.durationUs)}</td>
              <td class="lane"><i class={r.depth === 0 ? 'whole' : ''} style={{ left: `${r.left}%`, width: `${r.width}%` }} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Traces() {
  const words = t.value.live;
  const traces = useTraces();
  const [picked, setPicked] = useState('');
  if (!traces) return null;
  const latest = newestFirst(traces).slice(0, kShown);
  const kept = traces.find((x) => x.id === picked);
  const shown = kept ?? latest[0];
  const list = kept && !latest.includes(kept) ? [...latest, kept] : latest;
  return (
    <section class="card traces" aria-label={words.traces}>
      <div><h2>{words.traces}</h2><p class="help">{words.tracesHelp}</p></div>
      {!shown && <p class="notice">{words.noTraces}</p>}
      {shown && (
        <div class="traces-grid">
          <ul aria-label={words.latestRequests}>
            {list.map((x) => (
              <li key={x.id}>
                <button type="button" aria-pressed={x.id === shown.id} onClick={() => setPicked(x.id === picked ? '' : x.id)}>
                  <span class="bar-label">{x.model}</span>
                  <span class="figure"><b>{microseconds(totalUs(x))}</b></span>
                  <span class="help">{words.kinds[x.kind] ?? x.kind}</span>
                  <span class="help figure">{new Date(x.start_ms).toLocaleTimeString('en-GB')}</span>
                </button>
              </li>
            ))}
          </ul>
          <Waterfall trace={shown} />
        </div>
      )}
    </section>
  );
}
