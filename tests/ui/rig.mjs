// What every suite needs: the real server on ports of its own, a stand-in for the model's words, a fresh browser.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const kStartMs = 120_000;
const kStopMs = 40_000;
const kActionMs = Number(process.env.MILLRACE_UI_ACTION_MS ?? 30_000); // until what is waited for is there

export const model = 'smollm2-135m-instruct';
export const simulated = 'sim';
/** Those of `make demo-models` that are there. */
const modelsFolder = process.env.MILLRACE_MODELS ?? path.join(root, 'models');
export const demos = ['demo-classify', 'demo-detect'].filter((name) => fs.existsSync(path.join(modelsFolder, name)));

function must(file, hint) {
  if (!fs.existsSync(file)) throw new Error(`${file} is not there: ${hint}`);
  return file;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Until it is so. */
export async function until(isSo, what = isSo) {
  for (const end = Date.now() + kActionMs; !(await isSo()); await sleep(20)) {
    if (Date.now() > end) throw new Error(`not so after ${kActionMs} ms: ${what}`);
  }
}

/**
 * `millrace serve` with SmolLM2, a simulated model and `also` of the models folder; { url, adminUrl, stop }. While working on the pages: with MILLRACE_UI_FILES
 * (what `scripts/build-ui build FOLDER` wrote) they come from there instead of the binary, with its headers.
 */
export async function startServer({ also = [] } = {}) {
  const server = await startBinary(also);
  const folder = process.env.MILLRACE_UI_FILES;
  if (!folder) return server;
  const front = await startFiles(server.url, folder);
  return { ...server, url: front.url, stop: async () => (await front.stop(), await server.stop()) };
}

async function startBinary(also) {
  const binary = must(process.env.MILLRACE_BINARY ?? path.join(root, 'build/release/millrace'), 'build it, or set MILLRACE_BINARY');
  const real = must(path.join(modelsFolder, model), 'run scripts/fetch-model, or set MILLRACE_MODELS');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-ui-'));
  fs.mkdirSync(path.join(folder, 'models', simulated), { recursive: true });
  fs.writeFileSync(path.join(folder, 'models', simulated, 'sim.model'), '');
  fs.symlinkSync(fs.realpathSync(real), path.join(folder, 'models', model));
  for (const name of also) fs.symlinkSync(fs.realpathSync(path.join(modelsFolder, name)), path.join(folder, 'models', name));
  const portFile = path.join(folder, 'ports.json');
  const log = fs.openSync(path.join(folder, 'log'), 'w');
  const child = spawn(binary, ['serve', path.join(folder, 'models'), '--port', '0', '--grpc-port', '0', '--admin-port', '0', '--port-file', portFile],
    { stdio: ['ignore', log, log] });
  const logText = () => fs.readFileSync(path.join(folder, 'log'), 'utf8');
  const ended = new Promise((done) => child.once('exit', done));
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), kStopMs);
    const status = await ended;
    clearTimeout(timer);
    const text = logText();
    fs.rmSync(folder, { recursive: true });
    if (status !== 0) throw new Error(`the server ended with ${status}:\n${text}`);
  };
  for (const end = Date.now() + kStartMs; Date.now() < end; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${logText()}`);
    if (!fs.existsSync(portFile)) continue;
    const ports = JSON.parse(fs.readFileSync(portFile, 'utf8'));
    const url = `http://127.0.0.1:${ports.port}`;
    const ready = await fetch(`${url}/health/ready`).then((r) => r.ok, () => false);
    if (!ready) continue;
    const start = await (await fetch(url)).text();
    if (start.includes('content="built"')) return { url, adminUrl: `http://127.0.0.1:${ports.admin_port}`, stop };
    await stop();
    throw new Error('this binary was built without the web UI: configure with -DMILLRACE_UI=ON');
  }
  child.kill('SIGKILL');
  throw new Error(`not ready after ${kStartMs} ms:\n${logText()}`);
}

/** What is not answered here goes to `target`: `mine` maps a request to its handler, or to nothing. */
export async function startFront(target, mine) {
  const { hostname, port } = new URL(target);
  const pass = (request, response) => {
    const { url, method } = request;
    const headers = { ...request.headers, host: `${hostname}:${port}` };
    const onward = http.request({ hostname, port, path: url, method, headers, agent: false }, // no connection that is just being closed
      (from) => {
        if (response.destroyed) return from.destroy(); // the page has gone meanwhile
        response.writeHead(from.statusCode, from.headers);
        pipeline(from, response, () => {});
      });
    pipeline(request, onward, (error) => error && response.destroy());
  };
  const server = http.createServer((request, response) => (mine(request) ?? pass)(request, response));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((done) => (server.close(done), server.closeAllConnections())),
  };
}

const kTypes = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };

async function startFiles(target, folder) {
  const headers = Object.fromEntries((await fetch(target)).headers);
  for (const name of ['content-encoding', 'content-length', 'etag', 'transfer-encoding', 'connection', 'date']) delete headers[name];
  return startFront(target, ({ url }) => {
    if (url !== '/' && !url.startsWith('/assets/')) return undefined;
    const file = path.join(folder, url === '/' ? 'index.html' : path.join('/', url));
    return (_, response) => (fs.existsSync(file)
      ? response.writeHead(200, { ...headers, 'content-type': kTypes[path.extname(file)] }).end(fs.readFileSync(file))
      : response.writeHead(404).end());
  });
}

/**
 * The server at `target` with another model behind it: answers come from `script.pieces`, streamed in the API's form; every
 * request that arrived is in `script.asked`. `script.gate(sent)` may hold the stream; where it returns 'break' the connection
 * breaks. Everything else is passed on.
 */
export async function startStandIn(target, script) {
  const answer = async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    (script.asked ??= []).push(JSON.parse(body));
    if (script.fail) {
      response.writeHead(script.fail.status, { 'Content-Type': 'application/json' });
      return response.end(JSON.stringify({ error: script.fail.error }));
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const event = (value) => response.write(`data: ${JSON.stringify(value)}\n\n`);
    let sent = 0;
    for (const content of script.pieces) {
      event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
      sent++;
      if ((await script.gate?.(sent)) === 'break') return response.destroy();
      if (sent % (script.burst ?? 1) === 0) await sleep(script.pauseMs ?? 0);
      if (response.destroyed) return;
    }
    event({ choices: [{ index: 0, delta: {}, finish_reason: script.ending ?? 'stop' }] });
    event({ choices: [], usage: { prompt_tokens: 7, completion_tokens: sent, total_tokens: 7 + sent } });
    response.end('data: [DONE]\n\n');
  };
  const guarded = (request, response) => answer(request, response).catch(() => response.destroy()); // the page went away
  return startFront(target, ({ url }) => (url === '/v1/chat/completions' ? guarded : undefined));
}

/** A browser with a profile of its own; { context, stop }. */
export async function startBrowser({ args = [], ...options } = {}) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'millrace-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: must(process.env.CHROMIUM ?? '/usr/bin/chromium', 'run scripts/setup test, or set CHROMIUM'),
    headless: true,
    viewport: { width: 1280, height: 800 },
    locale: 'en-US',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', ...args],
    ...options,
  });
  context.setDefaultTimeout(kActionMs);
  const stop = async () => {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 20 }); // a process of the browser may still write there
  };
  return { context, stop };
}

/** A page at `url`, with what it must never do written down in page.offences. */
export async function openPage(context, url) {
  const page = await context.newPage();
  const origin = new URL(url).origin;
  page.offences = [];
  page.on('request', (r) => !r.url().startsWith(origin) && !/^(blob|data):/.test(r.url()) && page.offences.push(`request to ${r.url()}`));
  page.on('pageerror', (error) => page.offences.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => page.offences.push(`dialog: ${dialog.message()}`));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => console.error(`POLICY ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  page.on('console', (message) => message.text().startsWith('POLICY') && page.offences.push(message.text()));
  await page.goto(url);
  await page.getByRole('textbox', { name: /Message|消息/ }).waitFor();
  return page;
}

/** The parts of the chat page by what a person calls them. */
export function chatOf(page) {
  return {
    input: page.getByRole('textbox', { name: 'Message', exact: true }),
    answers: page.getByRole('article', { name: 'Assistant' }),
    questions: page.getByRole('article', { name: 'You' }),
    stop: page.locator('.composer').getByRole('button', { name: 'Stop' }),
    picker: page.getByRole('combobox', { name: 'Model' }),
    titles: page.locator('.entry-title'),
    async say(text) {
      await this.input.fill(text);
      await this.input.press('Enter');
    },
    /** Until no answer runs, and this many are shown. */
    async answered(n) {
      await this.answers.nth(n - 1).getByRole('button', { name: 'Try again' }).waitFor({ timeout: 4 * kActionMs });
    },
  };
}
