// Tabs as the WAI-ARIA Authoring Practices describe them: arrows, Home and End choose, Tab goes on into the panel.
import { byId } from './dom';

export function setUpTabs(chosen: (tab: string) => void): void {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role=tab]')];
  const choose = (tab: HTMLButtonElement): void => {
    for (const one of tabs) {
      one.setAttribute('aria-selected', String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      byId(one.getAttribute('aria-controls') ?? '').hidden = one !== tab;
    }
    chosen(tab.id);
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener('click', () => choose(tab));
    tab.addEventListener('keydown', (event) => {
      const places: Record<string, number> = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: tabs.length - 1 };
      const place = places[event.key];
      const next = place === undefined ? undefined : tabs[(place + tabs.length) % tabs.length];
      if (!next) return;
      event.preventDefault();
      choose(next);
      next.focus();
    });
  });
}
