import { numSamples, reachable, serverState, series } from '../api/poll';
import { bytes, count, duration, percent, rate } from '../design/format';
import { t } from '../i18n';
import { MenuButton } from '../shell/menu';
import { Figure } from './figure';
import type { Column } from './series';
import { Traces } from './traces';

function Tile({ name, value, more }: { name: string; value: string; more?: string }) {
  return <div class="tile"><dt>{name}</dt><dd>{value}{more && <small>{more}</small>}</dd></div>;
}

/** The newest figure that is known, so that a tile does not blink between answers. */
function latest(column: Column, seconds = 15): number | null {
  const rows = series.rows;
  const end = rows[rows.length - 1]?.time ?? 0;
  for (let i = rows.length - 1; i >= 0 && end - rows[i]!.time! < seconds; i--) {
    if (rows[i]![column] !== null) return rows[i]![column];
  }
  return null;
}

function Tiles() {
  const words = t.value.live;
  const state = serverState.value;
  void numSamples.value;
  const shown = (column: Column, format: (n: number) => string) => {
    const value = latest(column);
    return value === null ? '–' : format(value);
  };
  return (
    <dl class="tiles">
      <Tile name={words.running} value={shown('running', count)} />
      <Tile name={words.waiting} value={shown('waiting', count)} />
      <Tile name={words.throughput} value={shown('generated', rate)} />
      <Tile name={`${words.ttft} ${words.p50}`} value={shown('ttft50', duration)} />
      <Tile name={`${words.interToken} ${words.p50}`} value={shown('inter50', duration)} />
      <Tile name={words.hits} value={shown('hitRatio', percent)} />
      <Tile name={words.cpu} value={shown('cpu', rate)} more={state ? `/ ${words.cores(String(state.process.num_cpus))}` : ''} />
      <Tile name={words.memory} value={shown('resident', bytes)} more={state ? words.of(bytes(state.process.machine_bytes)) : ''} />
    </dl>
  );
}

export function LivePage() {
  const words = t.value.live;
  const state = serverState.value;
  const whole = (n: number) => (n < 10 && n % 1 ? n.toFixed(1) : count(n));
  return (
    <div class="page wide" role="region" aria-label={words.title} tabIndex={0}>
      <header class="page-head">
        <MenuButton />
        <div><h1>{words.title}</h1><p>{words.intro}</p></div>
      </header>
      {reachable.value === false && <p class="banner" role="status">{t.value.server.down}</p>}
      <Tiles />
      <div class="figures-grid">
        <Figure title={words.throughput} format={whole} lines={[
          { label: words.generated, column: 'generated', colour: '--series-1', fill: true },
          { label: words.prompted, column: 'prompted', colour: '--series-2' },
        ]} />
        <Figure title={words.requests} format={whole} lines={[
          { label: words.running, column: 'running', colour: '--series-1', fill: true },
          { label: words.waiting, column: 'waiting', colour: '--series-2' },
        ]} />
        <Figure title={words.ttft} format={duration} lines={[
          { label: words.p50, column: 'ttft50', colour: '--series-1' },
          { label: words.p99, column: 'ttft99', colour: '--series-2' },
        ]} />
        <Figure title={words.interToken} format={duration} lines={[
          { label: words.p50, column: 'inter50', colour: '--series-1' },
          { label: words.p99, column: 'inter99', colour: '--series-2' },
        ]} />
        <Figure title={words.kv} format={whole} lines={[
          { label: words.used, column: 'blocksUsed', colour: '--series-1', fill: true },
          { label: words.cached, column: 'blocksCached', colour: '--series-3' },
        ]} />
        <Figure title={words.hits} format={percent} max={1} lines={[
          { label: words.hitRatio, column: 'hitRatio', colour: '--series-1', fill: true },
        ]} />
        <Figure title={words.cpu} format={whole} max={state?.process.num_cpus} lines={[
          { label: words.cpuCores, column: 'cpu', colour: '--series-1', fill: true },
        ]} />
        <Figure title={words.memory} format={bytes} lines={[
          { label: words.resident, column: 'resident', colour: '--series-1', fill: true },
        ]} />
      </div>
      <Traces />
    </div>
  );
}
