import { useState } from 'preact/hooks';
import { controlModel } from '../api/control';
import { sentenceOf } from '../api/error';
import { refreshState, serverState } from '../api/poll';
import type { ModelInfo, ServerState } from '../api/state';
import { bytes, count, magnitude } from '../design/format';
import { chooseImageModel } from '../images/chosen';
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

/** Load or unload, and what came of it. The state shows the way there. */
function useControl(name: string) {
  const [busy, setBusy] = useState<'load' | 'unload' | null>(null);
  const [error, setError] = useState('');
  const act = async (what: 'load' | 'unload') => {
    if (what === 'unload' && !confirm(t.peek().models.unloadAsk(name))) return;
    setBusy(what);
    setError('');
    const soon = setTimeout(refreshState, 150); // it has begun by then, and is followed from there
    await controlModel(name, what).catch((e: unknown) => setError(sentenceOf(e, t.peek().chat.unreachable)));
    clearTimeout(soon);
    await refreshState();
    setBusy(null);
  };
  return { busy, error, act };
}

function Buttons({ model, explicit, busy, act }: {
  model: ModelInfo; explicit: boolean; busy: string | null; act: (what: 'load' | 'unload') => void;
}) {
  const words = t.value.models;
  const ready = model.state === 'ready';
  const look = () => {
    chooseImageModel(model.name);
    goTo('images');
  };
  return (
    <div class="buttons">
      {ready && model.live && model.chats !== false && (
        <button type="button" class="button quiet" onClick={() => chatWith(model.name)}>{words.use}</button>
      )}
      {ready && model.task && <button type="button" class="button quiet" onClick={look}>{words.useImages}</button>}
      {explicit && ready && (
        <button type="button" class="button quiet" disabled={busy !== null} onClick={() => act('unload')}>{words.unload}</button>
      )}
      {explicit && (model.state === 'unloaded' || model.state === 'failed') && (
        <button type="button" class="button" disabled={busy !== null} onClick={() => act('load')}>{words.load}</button>
      )}
    </div>
  );
}

/** Figures of the model's own kind only. */
function Facts({ model }: { model: ModelInfo }) {
  const words = t.value.models;
  const some = (n: number | undefined, format: (n: number) => string) => (n ? format(n) : undefined);
  return (
    <dl class="facts">
      <Fact name={words.family} value={model.family} />
      <Fact name={words.task} value={model.task && t.value.images.tasks[model.task]} />
      <Fact name={words.parameters} value={some(model.parameters, magnitude)} />
      <Fact name={words.context} value={some(model.max_model_len, (n) => words.tokens(count(n)))} />
      <Fact name={words.weights} value={model.weights} />
      <Fact name={words.kernels} value={model.kernels} />
      <Fact name={words.weightMemory} value={some(model.weight_bytes, bytes)} />
      <Fact name={words.kvMemory} value={some(model.kv_cache_bytes, bytes)} />
      <Fact name={words.sequences} value={some(model.max_num_seqs, count)} />
      <Fact name={words.vocabulary} value={some(model.vocab_size, count)} />
      <Fact name={words.backend} value={model.backend} />
    </dl>
  );
}

function Card({ model, explicit }: { model: ModelInfo; explicit: boolean }) {
  const words = t.value.models;
  const { busy, error, act } = useControl(model.name);
  const percent = Math.round(model.progress * 100);
  return (
    <article class="card" aria-label={model.name}>
      <header class="card-head">
        <h2>{model.name}</h2>
        <span class={`badge ${model.state}`}>{words.states[model.state]}</span>
        <Buttons model={model} explicit={explicit} busy={busy} act={(what) => void act(what)} />
      </header>
      {error && <p class="notice bad" role="alert">{error}</p>}
      {model.state === 'loading' && (
        <div class="loading"><progress max={100} value={percent} aria-label={words.states.loading} /><span>{model.stage} {percent} %</span></div>
      )}
      {model.state === 'failed' && <p class="notice bad">{words.failedHelp}</p>}
      {model.state === 'unloading' && <p class="notice">{words.unloadingHelp}</p>}
      {model.state === 'unloaded' && explicit && <p class="notice">{words.unloadedShort}</p>}
      {model.state === 'unloaded' && !explicit && <p class="notice">{words.unloadedHelp} <code>POST /v2/repository/models/{encodeURIComponent(model.name)}/load</code></p>}
      {model.family && <Facts model={model} />}
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
      {state?.models.map((m) => <Card key={m.name} model={m} explicit={state.control === 'explicit'} />)}
      {state?.models.length === 0 && <p class="notice">{words.none}</p>}
      {!state && <p class="notice">{t.value.server.connecting}</p>}
      {state && state.control !== 'explicit' && (
        <p class="help">{state.control === 'poll' ? words.controlPoll : words.controlNone} <code>--model-control-mode explicit</code></p>
      )}
    </div>
  );
}
