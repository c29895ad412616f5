import { signal } from '@preact/signals';
import { Icon } from '../design/icons';
import { t } from '../i18n';

/** On narrow screens the sidebar is a drawer. */
export const menuOpen = signal(false);

export function MenuButton() {
  return (
    <button type="button" class="icon-button menu-button" aria-label={t.value.nav.menu} aria-expanded={menuOpen.value}
      onClick={() => (menuOpen.value = true)}>
      <Icon name="menu" />
    </button>
  );
}
