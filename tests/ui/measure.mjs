// Prints how heavy and how quick the pages are; asserts nothing, machines differ.
// usage: tests/ui/run --measure
import { gzipSync } from 'node:zlib';
import { inTokens, longAnswer } from './long_answer.mjs';
import { chatOf, model, openPage, startBrowser, startServer, startStandIn } from './rig.mjs';

const pieces = inTokens(longAnswer());
const server = await startServer();
const standIn = await startStandIn(server.url, { pieces, burst: 20, pauseMs: 10 });
const { context, stop } = await startBrowser();
const line = (name, value) => console.log(`${name.padEnd(46)} ${value}`);
const spread = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  const at = (q) => (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)}  p99 ${at(0.99)}  max ${at(1)} ms`;
};

async function weigh(page) {
  const urls = await page.evaluate(() => ['/', ...performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname)]);
  let total = 0;
  for (const url of new Set(urls)) {
    if (url === '/' || url.startsWith('/assets/')) total += gzipSync(Buffer.from(await (await fetch(server.url + url)).arrayBuffer()), { level: 9 }).length;
  }
  line('everything the pages fetch, gzipped', `${total.toLocaleString('en-US')} bytes`);
}

async function watchTasks(page) {
  await page.evaluate(() => {
    window.tasks = [];
    new PerformanceObserver((list) => list.getEntries().forEach((e) => window.tasks.push(e.duration))).observe({ type: 'longtask' });
  });
}

const tasks = async (page) => {
  const list = await page.evaluate(() => window.tasks.splice(0));
  return list.length === 0 ? 'none over 50 ms' : `${list.length} over 50 ms, longest ${Math.max(...list).toFixed(0)} ms`;
};

/** Where the main thread's time went since the last call. */
async function where(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  const now = Object.fromEntries(metrics.map((m) => [m.name, m.value]));
  const parts = ['TaskDuration', 'ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration'];
  const text = parts.map((name) => `${name.replace('Duration', '').toLowerCase()} ${(now[name] - (session.before?.[name] ?? 0)).toFixed(2)} s`);
  session.before = now;
  return text.join('  ');
}

/** Frame times while the transcript is scrolled from one end to the other. */
const scrollThrough = (page) => page.evaluate(() => new Promise((done) => {
  const el = document.querySelector('.scroller');
  const frames = [];
  let last = 0;
  el.scrollTop = 0;
  const step = (now) => {
    if (last) frames.push(now - last);
    last = now;
    el.scrollTop += 120;
    if (el.scrollTop + el.clientHeight < el.scrollHeight - 1 && frames.length < 2000) requestAnimationFrame(step);
    else done(frames);
  };
  requestAnimationFrame(step);
}));

try {
  const paints = [];
  for (let i = 0; i < 5; i++) {
    const page = await openPage(context, server.url);
    paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0));
    if (i === 4) {
      await page.waitForTimeout(1500);
      await weigh(page);
    }
    await page.close();
  }
  line('first contentful paint, five loads', spread(paints));
  const page = await openPage(context, standIn.url);
  const chat = chatOf(page);
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
  await watchTasks(page);
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable');
  await where(session);
  const start = Date.now();
  await chat.say('Tell me everything.');
  await chat.answered(1);
  const seconds = (Date.now() - start) / 1000;
  line(`${pieces.length.toLocaleString('en-US')} tokens streamed in ${seconds.toFixed(1)} s`, `tasks: ${await tasks(page)}`);
  line('', await where(session));
  await page.waitForTimeout(1000);
  await tasks(page);
  await where(session);
  line('scrolling through it, time a frame', spread(await scrollThrough(page)));
  line('', `tasks: ${await tasks(page)}`);
  line('', await where(session));
} finally {
  await stop();
  await standIn.stop();
  await server.stop();
}
