// Numbers for people.

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n >= 100 || i === 0 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

export function duration(seconds: number): string {
  if (seconds === 0) return '0 ms';
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
}

export function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

/** 134515008 → 135M */
export function magnitude(n: number): string {
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (n >= size) return `${n / size >= 100 ? Math.round(n / size) : (n / size).toFixed(1)}${unit}`;
  }
  return String(Math.round(n));
}

export function rate(n: number): string {
  return n >= 100 || n === 0 ? String(Math.round(n)) : n.toFixed(1);
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
