import { useState } from 'preact/hooks';
import { t } from '../i18n';
import { Icon } from './icons';

/** Copies without the clipboard API too: that one is there only over HTTPS and on this machine. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'offscreen';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await copyText(text()))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="icon-button" onClick={copy} aria-label={done ? t.value.chat.copied : label} title={label}>
      <Icon name={done ? 'check' : 'copy'} />
    </button>
  );
}
