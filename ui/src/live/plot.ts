// A plot over time in the page's own colours, with the server's figures behind it.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  label: string;
  colour: string; // a custom property's name
  fill?: boolean;
}

export interface PlotOptions {
  lines: Line[];
  format: (value: number) => string;
  max?: number; // of the y axis; else what the values need
}

/** What a custom property looks like now, as a colour the canvas knows. */
function resolve(name: string, box: HTMLElement, alpha = 1): string {
  const probe = document.createElement('i');
  probe.style.color = alpha === 1 ? `var(${name})` : `color-mix(in srgb, var(${name}) ${alpha * 100}%, transparent)`;
  box.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function axis(colour: string, grid: string, more: Partial<uPlot.Axis>): uPlot.Axis {
  return {
    stroke: colour,
    font: '11px system-ui, sans-serif',
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    ...more,
  };
}

/** Draws into `box`, which it fills; `update` takes time and one column a line. */
export function createPlot(box: HTMLElement, options: PlotOptions) {
  const ink = resolve('--ink-2', box);
  const grid = resolve('--line', box);
  const size = () => ({ width: Math.max(120, box.clientWidth), height: box.clientHeight });
  const plot = new uPlot({
    ...size(),
    padding: [8, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_u, _low, high) => [0, options.max ?? ((high || 1) * 1.15)] } },
    axes: [
      axis(ink, grid, { size: 26, space: 70, values: (_u, ticks) => ticks.map((s) => new Date(s * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })) }),
      axis(ink, grid, { size: 58, space: 34, values: (_u, ticks) => ticks.map(options.format) }),
    ],
    series: [
      {},
      ...options.lines.map((line): uPlot.Series => ({
        label: line.label,
        stroke: resolve(line.colour, box),
        width: 1.75,
        spanGaps: false,
        points: { show: false },
        ...(line.fill ? { fill: resolve(line.colour, box, 0.16) } : {}),
      })),
    ],
  }, [[], ...options.lines.map(() => [])] as uPlot.AlignedData, box);
  const watch = new ResizeObserver(() => plot.setSize(size()));
  watch.observe(box);
  return {
    update(columns: (number | null)[][]) {
      plot.setData(columns as uPlot.AlignedData);
    },
    destroy() {
      watch.disconnect();
      plot.destroy();
    },
  };
}
