import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { reachable, serverState } from '../api/poll';
import { count } from '../design/format';
import { Icon, Logo } from '../design/icons';
import { language, t } from '../i18n';
import { MenuButton } from '../shell/menu';
import { current } from '../store/conversations';
import { shownPath, type Conversation, type Message } from '../store/tree';
import { Composer } from './composer';
import { MessageView } from './message';
import { ModelNotice, ModelPicker } from './model_picker';
import { announcement, modelOf, running, send, stop } from './session';
import { SettingsPanel } from './settings_panel';

export const settingsOpen = signal(false);

function Welcome({ onPick }: { onPick: (text: string) => void }) {
  const words = t.value.chat;
  return (
    <div class="welcome">
      <Logo />
      <h2>{words.greeting}</h2>
      <p>{words.greetingHelp}</p>
      <div class="suggestions">
        {words.suggestions.map((text) => (
          <button type="button" key={text} onClick={() => onPick(text)}>{text}</button>
        ))}
      </div>
    </div>
  );
}

const isNear = (el: HTMLElement) => el.scrollHeight - el.scrollTop - el.clientHeight < 60;

type Intent = 'up' | 'down' | 'either';
const kKeys: Record<string, Intent> = { ArrowUp: 'up', PageUp: 'up', Home: 'up', ArrowDown: 'down', PageDown: 'down', End: 'down' };

/**
 * Follows the end while the reader is there; scrolling up lets go. What a wheel or a key asks for counts at once: positions
 * alone do not tell a reader's scroll from a page whose heights were estimates.
 */
function useFollow(conversation: string) {
  const box = useRef<HTMLDivElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const intent = useRef<Intent>('either');
  const last = useRef({ top: 0, height: 0 });
  const [away, setAway] = useState(false);
  const note = (el: HTMLDivElement) => {
    last.current = { top: el.scrollTop, height: el.scrollHeight };
    setAway(!following.current && !isNear(el));
  };
  const toEnd = () => {
    const el = box.current;
    if (!el) return;
    following.current = true;
    intent.current = 'either';
    el.scrollTop = el.scrollHeight;
    note(el);
  };
  const wants = (what: Intent) => {
    intent.current = what;
    if (what === 'up' && (box.current?.scrollTop ?? 0) > 0) following.current = false;
  };
  const onScroll = () => {
    const el = box.current;
    if (!el) return;
    const moved = el.scrollTop - last.current.top;
    if (moved < -1 && intent.current === 'either' && el.scrollHeight >= last.current.height) following.current = false;
    if (moved > 0 && intent.current !== 'up' && isNear(el)) following.current = true;
    note(el);
  };
  const onResize = () => (following.current ? toEnd() : box.current && note(box.current));
  useLayoutEffect(toEnd, [conversation]);
  useEffect(() => {
    if (!column.current) return;
    const watch = new ResizeObserver(onResize);
    watch.observe(column.current);
    return () => watch.disconnect();
  }, [conversation]);
  const handlers = {
    onScroll,
    onWheel: (e: WheelEvent) => e.deltaY !== 0 && wants(e.deltaY < 0 ? 'up' : 'down'),
    onKeyDown: (e: KeyboardEvent) => e.key in kKeys && !(e.target instanceof HTMLTextAreaElement) && wants(kKeys[e.key]!),
    onPointerDown: () => wants('either'), // a drag, of the page or its bar
  };
  return { box, column, away, toEnd, handlers };
}

function contextUsed(path: Message[]): number {
  const last = path.findLast((m) => m.stats)?.stats;
  return last ? last.promptTokens + last.completionTokens : 0;
}

function Transcript({ conversation, path, editing, onEdit }: {
  conversation: Conversation; path: Message[]; editing: string; onEdit: (id: string) => void;
}) {
  const busy = Boolean(running.value[conversation.id]);
  const families = useMemo(() => {
    const groups = new Map<string, Message[]>();
    for (const m of Object.values(conversation.messages)) groups.set(m.parent, [...(groups.get(m.parent) ?? []), m]);
    for (const group of groups.values()) group.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
    return groups;
  }, [conversation.messages]);
  return (
    <>
      {path.map((m) => {
        const siblings = families.get(m.parent) ?? [m];
        return (
          <MessageView key={m.id} conversation={conversation.id} message={m} versions={siblings.length}
            version={siblings.findIndex((s) => s.id === m.id) + 1} busy={busy} editing={editing === m.id} onEdit={onEdit}
            language={language.value} />
        );
      })}
    </>
  );
}

export function ChatPage() {
  const words = t.value;
  const conversation = current.value;
  const [editing, setEditing] = useState('');
  const path = useMemo(() => (conversation ? shownPath(conversation) : []), [conversation]);
  const { box, column, away, toEnd, handlers } = useFollow(conversation?.id ?? '');
  const id = conversation?.id ?? '';
  useEffect(() => setEditing(''), [id]);
  if (!conversation) return null;
  const state = serverState.value;
  const model = state?.models.find((m) => m.name === modelOf(conversation));
  const used = contextUsed(path);
  const editLast = () => setEditing(path.findLast((m) => m.role === 'user')?.id ?? '');
  const say = (text: string) => (send(id, text), toEnd());
  return (
    <div class={`chat${settingsOpen.value ? ' with-panel' : ''}`}>
      <div class="chat-main">
        <header class="bar">
          <MenuButton />
          <h1 class="bar-title">{conversation.title || words.list.untitled}</h1>
          {used > 0 && model?.max_model_len && (
            <span class="figure context">{words.chat.context(count(used), count(model.max_model_len))}</span>
          )}
          <ModelPicker conversation={conversation} state={state} />
          <button type="button" class="icon-button" aria-label={words.chat.settings} title={words.chat.settings}
            aria-expanded={settingsOpen.value} onClick={() => (settingsOpen.value = !settingsOpen.value)}>
            <Icon name="sliders" />
          </button>
        </header>
        {reachable.value === false ? <p class="banner" role="status">{words.server.downHelp}</p>
          : <ModelNotice conversation={conversation} state={state} />}
        <div class="scroller" ref={box} {...handlers} role="region" aria-label={words.chat.transcript} tabIndex={0}>
          <div class="column" ref={column}>
            {path.length === 0 ? <Welcome onPick={say} />
              : <Transcript conversation={conversation} path={path} editing={editing} onEdit={setEditing} />}
          </div>
        </div>
        <div class="dock">
          {away && (
            <button type="button" class="latest" onClick={toEnd}><Icon name="down" />{words.chat.latest}</button>
          )}
          <Composer conversation={id} busy={Boolean(running.value[id])} blocked={!modelOf(conversation)} onSend={say}
            onStop={() => stop(id)} onEditLast={editLast} />
        </div>
        <p class="offscreen" role="status" aria-live="polite">{announcement.value}</p>
      </div>
      {settingsOpen.value && (
        <SettingsPanel conversation={conversation} model={model} onClose={() => (settingsOpen.value = false)} />
      )}
    </div>
  );
}
