import { useEffect, useRef, useState } from 'preact/hooks';
import { numSamples, series } from '../api/poll';
import { t } from '../i18n';
import { onColours } from '../shell/theme';
import type { Line } from './plot';
import type { Column } from './series';

export interface FigureLine extends Line {
  column: Column;
}

type Plot = ReturnType<typeof import('./plot').createPlot>;

/** A plot with its title and the newest figures, which are also what a screen reader is told. */
export function Figure({ title, lines, format, max }: {
  title: string; lines: FigureLine[]; format: (value: number) => string; max?: number;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const [colours, setColours] = useState(0);
  const draw = () => plot.current?.update([series.column('time'), ...lines.map((l) => series.column(l.column))]);
  useEffect(() => onColours(() => setColours((n) => n + 1)), []);
  useEffect(() => {
    let gone = false;
    void import('./plot').then(({ createPlot }) => {
      if (gone || !box.current) return;
      plot.current = createPlot(box.current, { lines, format, max });
      draw();
    }, () => {});
    return () => {
      gone = true;
      plot.current?.destroy();
      plot.current = null;
    };
  }, [colours, title, max]);
  const n = numSamples.value;
  useEffect(draw, [n]);
  const newest = series.rows[series.rows.length - 1];
  const words = t.value.live;
  const values = lines.map((l) => {
    const value = newest?.[l.column];
    return { ...l, text: value === null || value === undefined ? '–' : format(value) };
  });
  const spoken = values.map((v) => `${v.label} ${v.text === '–' ? words.noData : v.text}`).join(', ');
  return (
    <figure class="card figure-card">
      <figcaption>
        <strong>{title}</strong>
        <span class="legend">
          {values.map((v) => (
            <span key={v.column}><i class={`line ${v.colour.slice(2)}`} />{v.label} <b>{v.text}</b></span>
          ))}
        </span>
      </figcaption>
      <div class="plot" ref={box} role="img" aria-label={words.figure(title, spoken)} />
    </figure>
  );
}
