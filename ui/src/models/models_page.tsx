import { serverState } from '../api/poll';
import type { ModelInfo, ServerState } from '../api/state';
import { bytes, count, magnitude } from '../design/format';
import { t } from '../i18n';
import { MenuButton } from '../shell/menu';
import { goTo } from '../shell/route';
import { change, currentId, startNew } from '../store/conversations';

function Fact({ name, value }: { name: string; value: string | undefined }) {
  return value ? <div class="fact"><dt>{name}</dt><dd>{value}</dd></div> : null;
}

/** Shares of one whole, drawn to scale. */
function Bar({ label, parts, all }: { label: string; parts: { name: string; value: number }[]; all: number }) {
  const width = (value: number) => `${all > 0 ? Math.max(0, Math.min(100, (100 * value) / all)) : 0}%`;
  return (
    <div class="share" role="img" aria-label={label}>
      {parts.map((p, i) => <i key={p.name} class={`part-${i}`} style={{ width: width(p.value) }} title={p.name} />)}
    </div>
  );
}

function chatWith(name: string) {
  startNew();
  change(currentId.peek(), (c) => ({ ...c, model: name }));
  goTo('chat');
}

function Queue({ model }: { model: ModelInfo }) {
  const words = t.value.models;
  const live = model.live;
  if (!live) return null;
  const figures: [string, number][] = [
    [words.running, live.running], [words.waitingQueue, live.waiting], [words.finished, live.finished], [words.refused, live.refused],
  ];
  const used = live.kv_blocks - live.kv_blocks_free - live.kv_blocks_cached;
  const text = words.blocksText(count(used), count(live.kv_blocks_cached), count(live.kv_blocks));
  return (
    <>
      <dl class="tiles small">
        {figures.map(([name, n]) => <div class="tile" key={name}><dt>{name}</dt><dd>{count(n)}</dd></div>)}
      </dl>
      <div class="share-line"><span>{words.blocks}</span><span class="figure">{text}</span></div>
      <Bar label={`${words.blocks}: ${text}`} all={live.kv_blocks}
        parts={[{ name: t.value.live.used, value: used }, { name: t.value.live.cached, value: live.kv_blocks_cached }]} />
    </>
  );
}

function Card({ model }: { model: ModelInfo }) {
  const words = t.value.models;
  const percent = Math.round(model.progress * 100);
  return (
    <article class="card" aria-label={model.name}>
      <header class="card-head">
        <h2>{model.name}</h2>
        <span class={`badge ${model.state}`}>{words.states[model.state]}</span>
        {model.live && model.state === 'ready' && (
          <button type="button" class="button quiet" onClick={() => chatWith(model.name)}>{words.use}</button>
        )}
      </header>
      {model.state === 'loading' && (
        <div class="loading"><progress max={100} value={percent} aria-label={words.states.loading} /><span>{model.stage} {percent} %</span></div>
      )}
      {model.state === 'failed' && <p class="notice bad">{words.failedHelp}</p>}
      {model.state === 'unloading' && <p class="notice">{words.unloadingHelp}</p>}
      {model.state === 'unloaded' && <p class="notice">{words.unloadedHelp} <code>POST /v2/repository/models/{encodeURIComponent(model.name)}/load</code></p>}
      {model.family && (
        <dl class="facts">
          <Fact name={words.family} value={model.family} />
          <Fact name={words.parameters} value={model.parameters ? magnitude(model.parameters) : undefined} />
          <Fact name={words.context} value={model.max_model_len ? words.tokens(count(model.max_model_len)) : undefined} />
          <Fact name={words.weights} value={model.weights} />
          <Fact name={words.kernels} value={model.kernels} />
          <Fact name={words.weightMemory} value={bytes(model.weight_bytes ?? 0)} />
          <Fact name={words.kvMemory} value={bytes(model.kv_cache_bytes ?? 0)} />
          <Fact name={words.sequences} value={count(model.max_num_seqs ?? 0)} />
          <Fact name={words.vocabulary} value={count(model.vocab_size ?? 0)} />
          <Fact name={words.backend} value={model.backend} />
        </dl>
      )}
      <Queue model={model} />
    </article>
  );
}

function Memory({ state }: { state: ServerState }) {
  const words = t.value.models;
  const weights = state.models.reduce((a, m) => a + (m.weight_bytes ?? 0), 0);
  const kv = state.models.reduce((a, m) => a + (m.kv_cache_bytes ?? 0), 0);
  const text = words.memoryOf(bytes(state.memory_used_bytes), bytes(state.memory_limit_bytes));
  return (
    <section class="card" aria-label={words.memory}>
      <div class="share-line"><strong>{words.memory}</strong><span class="figure">{text}</span></div>
      <Bar label={`${words.memory}: ${text}`} all={state.memory_limit_bytes}
        parts={[{ name: words.weightMemory, value: weights }, { name: words.kvMemory, value: kv }]} />
      <p class="legend"><i class="part-0" />{words.weightMemory} {bytes(weights)}<i class="part-1" />{words.kvMemory} {bytes(kv)}</p>
    </section>
  );
}

export function ModelsPage() {
  const words = t.value.models;
  const state = serverState.value;
  return (
    <div class="page" role="region" aria-label={words.title} tabIndex={0}>
      <header class="page-head">
        <MenuButton />
        <div><h1>{words.title}</h1><p>{words.intro}</p></div>
      </header>
      {state && <Memory state={state} />}
      {state?.models.map((m) => <Card key={m.name} model={m} />)}
      {state?.models.length === 0 && <p class="notice">{words.none}</p>}
      {!state && <p class="notice">{t.value.server.connecting}</p>}
    </div>
  );
}
