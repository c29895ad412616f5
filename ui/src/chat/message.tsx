import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { CopyButton } from '../design/copy_button';
import { count, duration, rate } from '../design/format';
import { Icon } from '../design/icons';
import { memo } from '../design/memo';
import { t } from '../i18n';
import { Markdown } from '../markdown/markdown';
import { change } from '../store/conversations';
import { withSibling, type Message } from '../store/tree';
import { edit, retry } from './session';

interface Props {
  conversation: string;
  message: Message;
  version: number; // among its siblings, from 1
  versions: number;
  busy: boolean; // an answer of this conversation is running
  editing: boolean;
  onEdit: (id: string) => void;
  language: string; // so that words change with it
}

function Versions({ conversation, message, version, versions, busy }: Props) {
  if (versions < 2) return null;
  const words = t.value.chat;
  const step = (by: number) => change(conversation, (c) => withSibling(c, message.id, by));
  return (
    <span class="versions" role="group" aria-label={words.versionLabel(version, versions)}>
      <button type="button" class="icon-button" disabled={busy || version === 1} onClick={() => step(-1)} aria-label={words.earlier}>
        <Icon name="left" />
      </button>
      <span class="figure">{words.version(version, versions)}</span>
      <button type="button" class="icon-button" disabled={busy || version === versions} onClick={() => step(1)} aria-label={words.later}>
        <Icon name="right" />
      </button>
    </span>
  );
}

function Editor({ conversation, message, onEdit }: Props) {
  const words = t.value.chat;
  const [text, setText] = useState(message.content);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  const submit = () => {
    if (!text.trim()) return;
    onEdit('');
    edit(conversation, message, text);
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.isComposing) return;
    if (e.key === 'Escape') {
      e.stopPropagation();
      onEdit('');
    }
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      submit();
    }
  };
  return (
    <div class="editor">
      <textarea aria-label={words.editLabel} value={text} onInput={(e) => setText(e.currentTarget.value)} onKeyDown={onKey} ref={field} />
      <div class="row end">
        <button type="button" class="button quiet" onClick={() => onEdit('')}>{words.cancel}</button>
        <button type="button" class="button" onClick={submit} disabled={!text.trim()}>{words.save}</button>
      </div>
    </div>
  );
}

function UserMessage(props: Props) {
  const words = t.value.chat;
  const { message, editing, busy, onEdit } = props;
  return (
    <article class="message user" aria-label={words.you}>
      {editing ? <Editor {...props} /> : <div class="bubble">{message.content}</div>}
      {!editing && (
        <div class="actions">
          <Versions {...props} />
          <CopyButton text={() => message.content} label={words.copy} />
          <button type="button" class="icon-button" disabled={busy} onClick={() => onEdit(message.id)} aria-label={words.edit} title={words.edit}>
            <Icon name="edit" />
          </button>
        </div>
      )}
    </article>
  );
}

function Figures({ message }: { message: Message }) {
  const words = t.value.chat;
  const s = message.stats;
  if (!s) return null;
  return (
    <span class="figures">
      {s.tokensPerSecond > 0 && <span class="figure">{words.tokensPerSecond(rate(s.tokensPerSecond))}</span>}
      <span class="figure">{words.ttft(duration(s.ttftMs / 1000))}</span>
      <span class="figure" title={words.usedLabel(count(s.promptTokens), count(s.cachedTokens), count(s.completionTokens))}>
        {words.used(count(s.completionTokens))}
      </span>
    </span>
  );
}

function Notice({ message }: { message: Message }) {
  const words = t.value.chat;
  if (message.ending === 'error') {
    return <p class="notice bad" role="alert"><strong>{words.failed}</strong> {message.error}</p>;
  }
  if (message.ending === 'length') return <p class="notice">{words.cut}</p>;
  if (message.ending === 'stopped') return <p class="notice">{words.stopped}</p>;
  if (message.ending === 'stop' && !message.content.trim()) return <p class="notice">{words.empty}</p>;
  return null;
}

function AssistantMessage(props: Props) {
  const words = t.value.chat;
  const { conversation, message, busy } = props;
  const waiting = !message.ending;
  return (
    <article class={`message assistant${waiting ? ' growing' : ''}`} aria-label={words.assistant} aria-busy={waiting}>
      <div class="byline">{message.model}</div>
      {waiting && message.content === '' && <div class="waiting" role="status" aria-label={words.thinking}><i /><i /><i /></div>}
      <Markdown text={message.content} growing={waiting} />
      <Notice message={message} />
      {!waiting && (
        <div class="actions">
          <Versions {...props} />
          <CopyButton text={() => message.content} label={words.copy} />
          <button type="button" class="icon-button" disabled={busy} onClick={() => retry(conversation, message)} aria-label={words.retry} title={words.retry}>
            <Icon name="retry" />
          </button>
          <Figures message={message} />
        </div>
      )}
    </article>
  );
}

export const MessageView = memo(function MessageView(props: Props) {
  return props.message.role === 'user' ? <UserMessage {...props} /> : <AssistantMessage {...props} />;
});
