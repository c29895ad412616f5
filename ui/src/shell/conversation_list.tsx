import { signal } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../design/icons';
import { t } from '../i18n';
import {
  addConversations, conversationsForExport, currentId, entries, kept, openConversation, removeConversation, renameConversation, startNew,
} from '../store/conversations';
import type { ListEntry } from '../store/db';
import { exportConversations, importConversations } from '../store/portable';
import { running, stop } from '../chat/session';
import { menuOpen } from './menu';
import { goTo, page } from './route';

export const searchField = signal<HTMLInputElement | null>(null);
const said = signal('');
const kMaxFile = 64 << 20;

function download(name: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

async function exportAs(name: string, id?: string) {
  download(`${name}.json`, exportConversations(await conversationsForExport(id)));
}

async function importFrom(file: File | undefined) {
  if (!file) return;
  const list = file.size <= kMaxFile ? importConversations(await file.text()) : null;
  if (list) await addConversations(list);
  said.value = list ? t.peek().list.imported(list.length) : t.peek().list.importBad;
}

function remove(entry: ListEntry) {
  if (!confirm(t.peek().list.removeAsk(entry.title))) return;
  stop(entry.id);
  void removeConversation(entry.id);
}

/** A native popover-like menu: a details element that closes when the focus leaves it. */
function EntryMenu({ entry, onRename }: { entry: ListEntry; onRename: () => void }) {
  const words = t.value.list;
  const box = useRef<HTMLDetailsElement>(null);
  const close = () => box.current && (box.current.open = false);
  const leave = (e: FocusEvent) => !box.current?.contains(e.relatedTarget as Node | null) && close();
  const act = (what: () => void) => () => (close(), what());
  const onKey = (e: KeyboardEvent) => {
    if (e.key !== 'Escape' || !box.current?.open) return;
    e.stopPropagation();
    close();
    box.current.querySelector('summary')?.focus();
  };
  return (
    <details class="entry-menu" ref={box} onFocusOut={leave} onKeyDown={onKey}>
      <summary class="icon-button" aria-label={words.actions(entry.title)}><Icon name="more" /></summary>
      <div class="menu">
        <button type="button" onClick={act(onRename)}><Icon name="edit" />{words.rename}</button>
        <button type="button" onClick={act(() => void exportAs('conversation', entry.id))}><Icon name="download" />{words.exportOne}</button>
        <button type="button" class="bad" onClick={act(() => remove(entry))}><Icon name="trash" />{words.remove}</button>
      </div>
    </details>
  );
}

function RenameField({ entry, onDone }: { entry: ListEntry; onDone: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  const left = useRef(false);
  useLayoutEffect(() => field.current?.select(), []);
  const finish = (keep: boolean) => {
    if (left.current) return;
    left.current = true;
    const title = field.current?.value.trim() ?? '';
    if (keep && title) void renameConversation(entry.id, title);
    onDone();
  };
  const onKey = (e: KeyboardEvent) => {
    if (e.key === 'Enter' && !e.isComposing) finish(true);
    if (e.key === 'Escape') (e.stopPropagation(), finish(false));
  };
  return (
    <input ref={field} class="rename" aria-label={t.value.list.renameLabel} defaultValue={entry.title} maxLength={200}
      onBlur={() => finish(true)} onKeyDown={onKey} />
  );
}

function Entry({ entry }: { entry: ListEntry }) {
  const [renaming, setRenaming] = useState(false);
  const open = page.value === 'chat' && currentId.value === entry.id;
  const show = () => {
    void openConversation(entry.id);
    goTo('chat');
    menuOpen.value = false;
  };
  if (renaming) return <li class="entry"><RenameField entry={entry} onDone={() => setRenaming(false)} /></li>;
  return (
    <li class={`entry${open ? ' open' : ''}`}>
      <button type="button" class="entry-title" aria-current={open ? 'true' : undefined} onClick={show}>
        {running.value[entry.id] && <i class="pulse" />}
        {entry.title || t.value.list.untitled}
      </button>
      <EntryMenu entry={entry} onRename={() => setRenaming(true)} />
    </li>
  );
}

function Group({ title, list }: { title: string; list: ListEntry[] }) {
  if (list.length === 0) return null;
  return (
    <>
      <h3 class="group">{title}</h3>
      <ul>{list.map((e) => <Entry key={e.id} entry={e} />)}</ul>
    </>
  );
}

export function ConversationList() {
  const words = t.value.list;
  const [wanted, setWanted] = useState('');
  const list = entries.value.filter((e) => e.title.toLowerCase().includes(wanted.trim().toLowerCase()));
  const midnight = new Date().setHours(0, 0, 0, 0);
  const week = midnight - 6 * 86_400_000;
  const fresh = () => {
    startNew();
    goTo('chat');
    menuOpen.value = false;
  };
  return (
    <section class="list" aria-label={words.label}>
      <button type="button" class="button fresh" onClick={fresh}><Icon name="plus" />{words.fresh}</button>
      {entries.value.length > 0 && (
        <div class="search">
          <Icon name="search" />
          <input type="search" aria-label={words.search} placeholder={words.search} value={wanted}
            onInput={(e) => setWanted(e.currentTarget.value)} ref={(el) => { searchField.value = el; }} />
        </div>
      )}
      <div class="entries" tabIndex={-1}>
        {entries.value.length === 0 && <p class="help">{words.empty}</p>}
        {entries.value.length > 0 && list.length === 0 && <p class="help">{words.none}</p>}
        <Group title={words.today} list={list.filter((e) => e.updated >= midnight)} />
        <Group title={words.week} list={list.filter((e) => e.updated < midnight && e.updated >= week)} />
        <Group title={words.older} list={list.filter((e) => e.updated < week)} />
      </div>
      {!kept.value && <p class="help">{words.notKept}</p>}
      <p class="help" role="status">{said.value}</p>
      <div class="row files">
        <button type="button" class="text-button" disabled={entries.value.length === 0} onClick={() => void exportAs('conversations')}>
          <Icon name="download" />{words.exportAll}
        </button>
        <label class="text-button">
          <Icon name="upload" />{words.importFile}
          <input type="file" class="offscreen" accept="application/json,.json"
            onChange={(e) => { const field = e.currentTarget; void importFrom(field.files?.[0]).then(() => (field.value = '')); }} />
        </label>
      </div>
    </section>
  );
}
