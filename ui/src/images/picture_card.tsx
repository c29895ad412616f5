// One picture, what was found in it, and how long that took.
import { useState } from 'preact/hooks';
import { timingParts, type Detection, type Finding, type PictureAnswer, type Question, type Timing } from '../api/images';
import { count, duration, percent } from '../design/format';
import { Icon } from '../design/icons';
import { memo } from '../design/memo';
import { t } from '../i18n';
import { hueOf, placeOf, shownClasses, shownDetections } from './answers';
import { askAgain, removePicture, type Picture } from './pictures';

/** Over the picture, in shares of it: right at any size. What it shows is in the list below, for those who cannot see it. */
function Boxes({ found, answer, lit }: { found: Detection[]; answer: PictureAnswer; lit: number }) {
  const placed = found.map((d) => ({ ...d, place: placeOf(d, answer) }));
  return (
    <div class={`overlay${lit >= 0 ? ' choosing' : ''}`} aria-hidden="true">
      <svg>
        {placed.map(({ place, ...d }, i) => (
          <rect key={i} class={`hue-${hueOf(d)}${lit === i ? ' lit' : ''}`} rx="4"
            x={`${place.left}%`} y={`${place.top}%`} width={`${place.width}%`} height={`${place.height}%`} />
        ))}
      </svg>
      {placed.map(({ place, ...d }, i) => (
        <span key={i} class={`chip hue-${hueOf(d)}${lit === i ? ' lit' : ''}${place.top > 9 ? ' above' : ''}`} style={{ left: `${place.left}%`, top: `${place.top}%` }}>
          {d.label} {percent(d.score)}
        </span>
      ))}
    </div>
  );
}

function Classes({ list }: { list: Finding[] }) {
  return (
    <ol class="bars" aria-label={t.value.images.classes}>
      {list.map((c) => (
        <li key={c.index}>
          <span class="bar-label">{c.label}</span><span class="figure">{percent(c.score)}</span>
          <i class="bar-track" aria-hidden="true"><i style={{ width: `${Math.max(0, Math.min(1, c.score)) * 100}%` }} /></i>
        </li>
      ))}
    </ol>
  );
}

function Objects({ list, onLight }: { list: Detection[]; onLight: (i: number) => void }) {
  const words = t.value.images;
  return (
    <ol class="objects" aria-label={words.objects}>
      {list.map((d, i) => (
        <li key={i} onPointerEnter={() => onLight(i)} onPointerLeave={() => onLight(-1)}>
          <i class={`swatch hue-${hueOf(d)}`} /><span class="bar-label">{d.label}</span>
          <span class="figure size">{words.size(count(d.box.width), count(d.box.height))}</span>
          <span class="figure">{percent(d.score)}</span>
        </li>
      ))}
    </ol>
  );
}

function Times({ timing }: { timing: Timing }) {
  const words = t.value.images;
  const total = timing.total_ms ?? 0;
  if (total <= 0) return null;
  const parts = timingParts.map((name, i) => ({ name, i, ms: timing[name] ?? 0 })).filter((p) => p.ms > 0);
  return (
    <div class="times">
      <div class="share" aria-hidden="true">
        {parts.map((p) => <i key={p.name} class={`time-${p.i}`} style={{ width: `${Math.min(100, (100 * p.ms) / total)}%` }} />)}
      </div>
      <dl>
        <div><dt>{words.total}</dt><dd class="figure"><b>{duration(total / 1000)}</b></dd></div>
        {parts.map((p) => (
          <div key={p.name}><dt><i class={`time-${p.i}`} />{words[p.name]}</dt><dd class="figure">{duration(p.ms / 1000)}</dd></div>
        ))}
      </dl>
    </div>
  );
}

interface Props {
  picture: Picture;
  question: Question | null;
  language: string; // renders again when it changes
}

function Inner({ picture, question }: Props) {
  const words = t.value.images;
  const [lit, setLit] = useState(-1);
  const { id, file, url, state, answer, error } = picture;
  const detects = question?.task === 'detect';
  const classes = answer && question && !detects ? shownClasses(answer, question.topK) : [];
  const found = answer && question && detects ? shownDetections(answer, question.threshold) : [];
  const busy = state === 'asking' || (state === 'waiting' && question !== null);
  return (
    <article class="card picture" aria-label={file.name} aria-busy={busy}>
      <div class="stage">
        <div class="frame">
          <img src={url} alt={file.name} />
          {answer && found.length > 0 && <Boxes found={found} answer={answer} lit={lit} />}
        </div>
        {busy && <span class="looking"><i class="pulse" />{state === 'asking' ? words.looking : words.waiting}</span>}
      </div>
      <header class="picture-head">
        <h2>{file.name}</h2>
        {answer && <span class="figure help">{words.size(count(answer.width), count(answer.height))}</span>}
        <button type="button" class="icon-button" aria-label={words.remove(file.name)} title={words.remove(file.name)}
          onClick={() => removePicture(id)}><Icon name="close" /></button>
      </header>
      {state === 'failed' && (
        <div class="failed">
          <p class="notice bad" role="alert">{error}</p>
          <button type="button" class="button quiet" onClick={() => askAgain(id)}><Icon name="retry" />{t.value.chat.retry}</button>
        </div>
      )}
      {classes.length > 0 && <Classes list={classes} />}
      {found.length > 0 && <Objects list={found} onLight={setLit} />}
      {answer && detects && found.length === 0 && <p class="notice">{words.nothing(percent(question.threshold))}</p>}
      {answer && <Times timing={answer.timing} />}
    </article>
  );
}

export const PictureCard = memo<Props>(Inner);
