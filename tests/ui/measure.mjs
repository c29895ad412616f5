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

/** The main thread's tasks while `act` runs: by the clock, and by the processor's time, which a busy machine does not stretch. */
async function tasksDuring(session, act) {
  const events = [];
  const collect = ({ value }) => events.push(...value);
  session.on('Tracing.dataCollected', collect);
  await session.send('Tracing.start', { traceConfig: { includedCategories: ['toplevel', 'disabled-by-default-devtools.timeline'] }, bufferUsageReportingInterval: 1000 });
  const result = await act();
  const whole = new Promise((done) => session.once('Tracing.tracingComplete', done));
  await session.send('Tracing.end');
  await whole;
  session.off('Tracing.dataCollected', collect);
  const mains = new Set(events.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid} ${e.tid}`));
  const tasks = events.filter((e) => e.ph === 'X' && e.name === 'RunTask' && mains.has(`${e.pid} ${e.tid}`));
  const longest = (pick) => Math.max(0, ...tasks.map(pick)) / 1000;
  const clock = tasks.filter((e) => e.dur > 50_000).length;
  const text = `${clock} tasks over 50 ms, longest ${longest((e) => e.dur).toFixed(0)} ms; of the processor ${longest((e) => e.tdur ?? 0).toFixed(0)} ms`;
  return { result, text };
}

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
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable');
  await where(session);
  const start = Date.now();
  const streamed = await tasksDuring(session, async () => {
    await chat.say('Tell me everything.');
    await chat.answered(1);
    return (Date.now() - start) / 1000;
  });
  line(`${pieces.length.toLocaleString('en-US')} tokens streamed in ${streamed.result.toFixed(1)} s`, streamed.text);
  line('', await where(session));
  const scrolled = await tasksDuring(session, () => scrollThrough(page));
  line('scrolling through it, time a frame', spread(scrolled.result));
  line('', scrolled.text);
  line('', await where(session));
} finally {
  await stop();
  await standIn.stop();
  await server.stop();
}
