// Which model answers, and why it cannot where it cannot.
import { chatModels, type ServerState } from '../api/state';
import { t } from '../i18n';
import { change } from '../store/conversations';
import { remember } from '../store/preferences';
import type { Conversation } from '../store/tree';
import { modelOf } from './session';

interface Props {
  conversation: Conversation;
  state: ServerState | null;
}

export function ModelPicker({ conversation, state }: Props) {
  const words = t.value.chat;
  const models = chatModels(state);
  const value = modelOf(conversation);
  const choose = (model: string) => {
    change(conversation.id, (c) => ({ ...c, model }));
    remember('model', model);
  };
  return (
    <select class="picker" aria-label={words.model} value={value} onChange={(e) => choose(e.currentTarget.value)}>
      {models.length === 0 && !value && <option value="">{words.noModel}</option>}
      {value && !models.some((m) => m.name === value) && <option value={value}>{words.modelGone(value)}</option>}
      {models.map((m) => <option key={m.name} value={m.name}>{m.name}</option>)}
    </select>
  );
}

/** What stands between this conversation and its next answer, if anything does. */
export function ModelNotice({ conversation, state }: Props) {
  const words = t.value.chat;
  const name = modelOf(conversation);
  if (!state || chatModels(state).some((m) => m.name === name)) return null;
  const model = state.models.find((m) => m.name === name) ?? (name ? undefined : state.models.find((m) => m.state === 'loading'));
  const text = model ? words.notReady[model.state](model.name) : name ? words.notHere(name) : words.noModelHelp;
  return (
    <p class="banner calm" role="status">{text} <a href="#/models">{words.toModels}</a></p>
  );
}
