// Small choices, kept in localStorage where the browser lets us; else until the page is closed.

const kPrefix = 'millrace.';
const memory = new Map<string, string>();

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(kPrefix + name);
  } catch {
    return memory.get(name) ?? null;
  }
}

export function remember(name: string, value: string) {
  memory.set(name, value);
  try {
    localStorage.setItem(kPrefix + name, value);
  } catch {
    // private windows and full disks: the memory above is all there is
  }
}
