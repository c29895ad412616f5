import { signal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../design/icons';
import { t } from '../i18n';

/** What is written and not sent, by conversation. */
const drafts = signal<Record<string, string>>({});

interface Props {
  conversation: string;
  busy: boolean;
  blocked: boolean; // no model to ask
  onSend: (text: string) => void;
  onStop: () => void;
  onEditLast: () => void;
}

export function Composer({ conversation, busy, blocked, onSend, onStop, onEditLast }: Props) {
  const words = t.value.chat;
  const field = useRef<HTMLTextAreaElement>(null);
  const text = drafts.value[conversation] ?? '';
  const write = (to: string) => (drafts.value = { ...drafts.peek(), [conversation]: to });
  const ready = text.trim() !== '' && !busy && !blocked;

  useLayoutEffect(() => { // before the next key arrives
    if (matchMedia('(hover: hover)').matches) field.current?.focus(); // not where it opens a keyboard over the page
  }, [conversation]);

  const submit = () => {
    if (!ready) return;
    write('');
    onSend(text);
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.isComposing) return; // Enter chooses a word there
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      submit();
    } else if (e.key === 'ArrowUp' && text === '' && !busy) {
      e.preventDefault();
      onEditLast();
    }
  };
  return (
    <form class="composer" onSubmit={(e) => (e.preventDefault(), submit())}>
      <div class="composer-box">
        <textarea ref={field} rows={1} aria-label={words.message} placeholder={words.placeholder} value={text}
          onInput={(e) => write(e.currentTarget.value)} onKeyDown={onKey} />
        {busy ? (
          <button type="button" class="round" onClick={onStop} aria-label={words.stop} title={words.stop}><Icon name="stop" /></button>
        ) : (
          <button type="submit" class="round" disabled={!ready} aria-label={words.send} title={words.send}><Icon name="send" /></button>
        )}
      </div>
      <p class="hint">{words.hint}</p>
    </form>
  );
}
