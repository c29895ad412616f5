import { reachable, serverState } from '../api/poll';
import { Icon, Logo, type IconName } from '../design/icons';
import { catalogues, language, setLanguage, t, type Language } from '../i18n';
import { ConversationList } from './conversation_list';
import { menuOpen } from './menu';
import { page, pages } from './route';
import { setTheme, theme, themes, type Theme } from './theme';

const kThemeIcons: Record<Theme, IconName> = { auto: 'auto', light: 'sun', dark: 'moon' };

function ServerLine() {
  const words = t.value.server;
  const up = reachable.value;
  const text = up === null ? words.connecting : up ? words.up(serverState.value?.version ?? '') : words.down;
  return <p class={`server ${up === null ? '' : up ? 'up' : 'down'}`} role="status"><i class="dot" />{text}</p>;
}

function Choices() {
  const words = t.value;
  return (
    <div class="row choices">
      <div class="segments" role="group" aria-label={words.theme.label}>
        {themes.map((name) => (
          <button type="button" key={name} class="icon-button" aria-pressed={theme.value === name} aria-label={words.theme[name]}
            title={words.theme[name]} onClick={() => setTheme(name)}><Icon name={kThemeIcons[name]} /></button>
        ))}
      </div>
      <div class="segments" role="group" aria-label={words.languageLabel}>
        {(Object.keys(catalogues) as Language[]).map((name) => (
          <button type="button" key={name} class="word" lang={name === 'zh' ? 'zh-CN' : name} aria-pressed={language.value === name}
            onClick={() => setLanguage(name)}>{catalogues[name].language}</button>
        ))}
      </div>
    </div>
  );
}

export function Sidebar() {
  const words = t.value.nav;
  return (
    <>
      {menuOpen.value && <div class="veil" onClick={() => (menuOpen.value = false)} />}
      <div class={`sidebar${menuOpen.value ? ' shown' : ''}`}>
        <header class="brand">
          <Logo /><span>Millrace</span>
          <button type="button" class="icon-button drawer-close" aria-label={words.close} onClick={() => (menuOpen.value = false)}>
            <Icon name="close" />
          </button>
        </header>
        <nav aria-label={words.main}>
          {pages.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={page.value === name ? 'page' : undefined}
              onClick={() => (menuOpen.value = false)}><Icon name={name} />{words[name]}</a>
          ))}
        </nav>
        <ConversationList />
        <footer>
          <Choices />
          <ServerLine />
        </footer>
      </div>
    </>
  );
}
