import { t } from '../i18n';
import { change } from '../store/conversations';
import type { Conversation, Sampling } from '../store/tree';
import type { ModelInfo } from '../api/state';
import { Icon } from '../design/icons';

type NumberName = Exclude<keyof Sampling, 'stop'>;
interface Field {
  name: NumberName;
  min: number;
  max: number;
  step: number;
}

const kFields: Field[] = [
  { name: 'temperature', min: 0, max: 2, step: 0.05 },
  { name: 'top_p', min: 0.01, max: 1, step: 0.01 },
  { name: 'top_k', min: 0, max: 200, step: 1 },
  { name: 'min_p', min: 0, max: 1, step: 0.01 },
  { name: 'max_tokens', min: 1, max: 1 << 24, step: 1 },
  { name: 'repetition_penalty', min: 0.05, max: 2, step: 0.05 },
  { name: 'presence_penalty', min: -2, max: 2, step: 0.1 },
  { name: 'frequency_penalty', min: -2, max: 2, step: 0.1 },
  { name: 'seed', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
];

/** What the model does where nothing is set. */
function defaultOf(model: ModelInfo | undefined, name: NumberName): number | undefined {
  const d = model?.default_sampling;
  if (name === 'presence_penalty' || name === 'frequency_penalty') return 0;
  const value = d && name in d ? d[name as keyof typeof d] : undefined;
  return value === undefined ? undefined : Math.round(value * 1000) / 1000;
}

function NumberField({ field, value, fallback, onChange }: {
  field: Field; value: number | undefined; fallback: number | undefined; onChange: (v: number | undefined) => void;
}) {
  const words = t.value.settings;
  const id = `sampling-${field.name}`;
  const read = (e: { currentTarget: HTMLInputElement }) => {
    const n = e.currentTarget.valueAsNumber;
    onChange(Number.isFinite(n) ? Math.min(field.max, Math.max(field.min, n)) : undefined);
  };
  return (
    <div class="field">
      <label for={id}>{words[field.name]}</label>
      <input id={id} type="number" inputMode="decimal" min={field.min} max={field.max} step={field.step} value={value ?? ''}
        placeholder={fallback === undefined ? words.unset : String(fallback)} aria-describedby={`${id}-help`} onChange={read} />
      <p class="help" id={`${id}-help`}>{words[`${field.name}Help`]}</p>
    </div>
  );
}

function Keys() {
  const words = t.value.settings;
  const rows: [string, string][] = [
    ['Ctrl K', words.keyNew], ['Ctrl /', words.keySearch], ['Ctrl ,', words.keySettings], ['Esc', words.keyStop], ['↑', words.keyEdit],
  ];
  return (
    <dl class="keys">
      {rows.map(([key, what]) => (
        <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>
      ))}
    </dl>
  );
}

export function SettingsPanel({ conversation, model, onClose }: {
  conversation: Conversation; model: ModelInfo | undefined; onClose: () => void;
}) {
  const words = t.value.settings;
  const { id, sampling } = conversation;
  const set = (more: Partial<Sampling>) => change(id, (c) => {
    const next = { ...c.sampling, ...more };
    for (const name of Object.keys(next) as (keyof Sampling)[]) if (next[name] === undefined) delete next[name];
    return { ...c, sampling: next };
  });
  const setStop = (text: string) => {
    const lines = text.split('\n').filter((line) => line !== '').slice(0, 4);
    set({ stop: lines.length > 0 ? lines : undefined });
  };
  return (
    <aside class="panel" aria-label={words.title}>
      <header class="panel-head">
        <h2>{words.title}</h2>
        <button type="button" class="icon-button" onClick={onClose} aria-label={t.value.nav.close}><Icon name="close" /></button>
      </header>
      <div class="panel-body">
        <div class="field wide">
          <label for="system-prompt">{words.system}</label>
          <textarea id="system-prompt" rows={4} value={conversation.system} aria-describedby="system-help"
            onChange={(e) => { const system = e.currentTarget.value; change(id, (c) => ({ ...c, system })); }} />
          <p class="help" id="system-help">{words.systemHelp}</p>
        </div>
        <h3>{words.sampling}</h3>
        <div class="fields">
          {kFields.map((field) => (
            <NumberField key={field.name} field={field} value={sampling[field.name]} fallback={defaultOf(model, field.name)}
              onChange={(v) => set({ [field.name]: v })} />
          ))}
        </div>
        <div class="field wide">
          <label for="stop-strings">{words.stop}</label>
          <textarea id="stop-strings" rows={2} value={sampling.stop?.join('\n') ?? ''} aria-describedby="stop-help"
            onChange={(e) => setStop(e.currentTarget.value)} />
          <p class="help" id="stop-help">{words.stopHelp}</p>
        </div>
        <button type="button" class="button quiet" disabled={Object.keys(sampling).length === 0}
          onClick={() => change(id, (c) => ({ ...c, sampling: {} }))}>{words.reset}</button>
        <h3>{words.keys}</h3>
        <Keys />
      </div>
    </aside>
  );
}
