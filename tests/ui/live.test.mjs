// The timeline of the Live page: a request's spans as the server tells them, drawn to scale and readable as a table.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inEveryLook, violations } from './axe.mjs';
import { openPage, startBrowser, startServer, until } from './rig.mjs';
import { startWorld } from './world.mjs';

const span = (name, start_us, duration_us, depth) => ({ name, start_us, duration_us, depth });
const chat = { id: 'r1', model: 'smollm2-135m-instruct', kind: 'chat', start_ms: Date.UTC(2026, 0, 1, 12, 0, 0), spans: [
  span('request', 0, 200_000, 0), span('parse', 100, 400, 1), span('queue', 500, 1500, 1), span('prefill', 2000, 48_000, 1),
  span('decode', 50_000, 150_000, 1), span('<b>forward</b>', 60_000, 20_000, 2)] };
const tensor = { id: 'r2', model: 'finds', kind: 'tensor', start_ms: chat.start_ms + 5000, spans: [span('request', 0, 900, 0), span('infer', 300, 450, 1)] };

const world = { traces: [] };
let server, front, browser, page;
before(async () => {
  server = await startServer();
  front = await startWorld(server.url, world);
  browser = await startBrowser();
  page = await openPage(browser.context, front.url);
  await page.getByRole('link', { name: 'Live' }).click();
  await page.locator('.plot canvas').first().waitFor();
});
after(async () => {
  await browser?.stop();
  await front?.stop();
  await server?.stop();
});

const section = () => page.getByRole('region', { name: 'Where the time goes' });
const table = (model) => section().getByRole('table', { name: `Steps of one request to ${model}` });
const rows = (model) => table(model).locator('tbody tr');

describe('the timeline', () => {
  it('waits for requests', () => section().getByText('No request yet.').waitFor());

  it('shows the newest request, step by step and to scale', async () => {
    world.traces = [chat];
    await rows(chat.model).nth(5).waitFor();
    const cells = await rows(chat.model).evaluateAll((list) => list.map((tr) => [...tr.children].slice(0, 3).map((c) => c.textContent)));
    assert.deepEqual(cells, [['request', '0 µs', '200 ms'], ['parse', '100 µs', '400 µs'], ['queue', '500 µs', '1.5 ms'], ['prefill', '2.0 ms', '48 ms'],
      ['decode', '50 ms', '150 ms'], ['<b>forward</b>', '60 ms', '20 ms']]);
    const bars = await rows(chat.model).evaluateAll((list) => list.map((tr) => {
      const lane = tr.querySelector('td.lane').getBoundingClientRect();
      const bar = tr.querySelector('td.lane i').getBoundingClientRect();
      return [(bar.left - lane.left) / lane.width, bar.width / lane.width];
    }));
    const near = (a, b, what) => assert.ok(Math.abs(a - b) < 0.012, `${what}: ${a} against ${b}`);
    chat.spans.forEach((s, i) => {
      near(bars[i][0], s.start_us / 200_000, `${s.name} begins`);
      near(bars[i][1], s.duration_us / 200_000, `${s.name} takes`);
    });
  });

  it('goes on to newer ones, unless one is chosen', async () => {
    world.traces = [chat, tensor];
    await rows('finds').nth(1).waitFor();
    const entry = section().getByRole('button', { name: /smollm2/ });
    assert.match(await entry.textContent(), /200 msText/);
    await entry.click();
    await rows(chat.model).first().waitFor();
    assert.equal(await entry.getAttribute('aria-pressed'), 'true');
    world.traces = [chat, tensor, { ...tensor, id: 'r3', start_ms: tensor.start_ms + 1 }];
    await until(async () => (await section().getByRole('button', { name: /finds/ }).count()) === 2);
    assert.equal(await rows(chat.model).count(), 6);
    await entry.click();
    await rows('finds').first().waitFor();
  });

  it('fits a phone and is for everybody', async () => {
    await inEveryLook(page, async (how) => assert.deepEqual(await violations(page), [], how));
    await page.setViewportSize({ width: 360, height: 740 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0);
    assert.deepEqual(await violations(page), []);
    await page.setViewportSize({ width: 1280, height: 800 });
    assert.deepEqual(page.offences, []);
  });

  it('is not there where the server keeps no traces', async () => {
    world.traces = undefined;
    await page.reload();
    await page.locator('.plot canvas').first().waitFor();
    assert.equal(await section().count(), 0);
  });
});
