import { useEffect, useLayoutEffect, useState } from 'preact/hooks';
import type { ComponentType } from 'preact';
import { reachable } from '../api/poll';
import { ChatPage, settingsOpen } from '../chat/chat_page';
import { running, stop } from '../chat/session';
import { language, t } from '../i18n';
import { startHighlighter } from '../markdown/highlight';
import { currentId, startNew } from '../store/conversations';
import { searchField } from './conversation_list';
import { menuOpen } from './menu';
import { goTo, page, type Page } from './route';
import { Sidebar } from './sidebar';

// Fetched soon after the first paint, so that every page opens without the server too.
const kLater = {
  images: () => import('../images/images_page').then((m) => m.ImagesPage),
  models: () => import('../models/models_page').then((m) => m.ModelsPage),
  live: () => import('../live/live_page').then((m) => m.LivePage),
};

function LaterPage({ name }: { name: keyof typeof kLater }) {
  const [Inner, setInner] = useState<ComponentType | null>(null);
  const up = reachable.value;
  useEffect(() => {
    let gone = false;
    void kLater[name]().then((found) => !gone && setInner(() => found), () => {});
    return () => void (gone = true);
  }, [name, up]);
  return Inner ? <Inner /> : null;
}

function onKey(e: KeyboardEvent) {
  if (e.key === 'Escape') {
    if (menuOpen.peek()) menuOpen.value = false;
    else if (running.peek()[currentId.peek()]) stop(currentId.peek());
    else if (settingsOpen.peek()) settingsOpen.value = false;
    return;
  }
  if (!(e.ctrlKey || e.metaKey) || e.altKey) return;
  if (e.key === 'k') {
    startNew();
    goTo('chat');
  } else if (e.key === '/') {
    if (matchMedia('(max-width: 56rem)').matches) menuOpen.value = true;
    queueMicrotask(() => searchField.peek()?.focus()); // the drawer is shown by then, and the next key not there yet
  } else if (e.key === ',') {
    goTo('chat');
    settingsOpen.value = !settingsOpen.peek();
  } else {
    return;
  }
  e.preventDefault();
}

function titleOf(name: Page): string {
  return `${t.value.nav[name]} · Millrace`;
}

export function App() {
  const name = page.value;
  useEffect(() => {
    document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
    document.title = titleOf(name);
  }, [language.value, name]);
  useLayoutEffect(() => {
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  useEffect(() => {
    const idle = setTimeout(() => {
      for (const load of Object.values(kLater)) void load().catch(() => {});
      startHighlighter();
      void import('../live/plot').catch(() => {});
    }, 600);
    return () => clearTimeout(idle);
  }, []);
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById('main')?.focus())}>{t.value.nav.skip}</a>
      <Sidebar />
      <main id="main" tabIndex={-1}>{name === 'chat' ? <ChatPage /> : <LaterPage key={name} name={name} />}</main>
    </>
  );
}
