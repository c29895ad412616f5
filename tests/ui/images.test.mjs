// The Images page: ways to bring pictures, what is drawn, what is asked. The models are the test's own; the pages and their
// headers are the real server's.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { inEveryLook, violations } from './axe.mjs';
import { demos, openPage, startBrowser, startServer, until } from './rig.mjs';
import { png, startWorld } from './world.mjs';

const classifier = { name: 'names', version: '1', backend: 'openvino', state: 'ready', progress: 1, stage: '', task: 'classify', family: 'onnx' };
const detector = { ...classifier, name: 'finds', task: 'detect' };
const kWidth = 400, kHeight = 300;
const timing = { decode_ms: 2, preprocess_ms: 1, queue_ms: 0.5, infer_ms: 16.5, total_ms: 20 };
const labels = ['tabby', '<img src=x onerror=alert(1)>', 'lynx', 'fox', 'dog', 'wolf', 'owl', 'mill', 'river', 'boat'];
const objects = [
  { label: 'dog', index: 16, score: 0.91, box: { x: 40, y: 60, width: 120, height: 150 } },
  { label: 'cat', index: 15, score: 0.62, box: { x: 200, y: 30, width: 100, height: 90 } },
  { label: 'ball', index: 32, score: 0.31, box: { x: 300, y: 200, width: 200, height: 200 } }, // over the edge
];

function look({ task, name, topK, threshold }) {
  if (name === 'broken.png') return { status: 400, body: { error: { message: 'broken.png is cut short: the picture ends before its last row', code: 'invalid_image' } } };
  const picture = { index: 0, width: kWidth, height: kHeight };
  if (task === 'classify') picture.classes = labels.slice(0, Number(topK)).map((label, index) => ({ label, index, score: 0.6 / 2 ** index }));
  else picture.detections = objects.filter((o) => o.score >= Number(threshold));
  return { body: { object: 'list', model: 'm', data: [picture], timing } };
}

const world = { models: [classifier, detector], look };
const picture = (name, colour = [30, 120, 110]) => ({ name, mimeType: 'image/png', buffer: png(kWidth, kHeight, colour) });
let server, front, browser, page;
before(async () => {
  server = await startServer();
  front = await startWorld(server.url, world);
  browser = await startBrowser({ args: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] });
});
after(async () => {
  await browser?.stop();
  await front?.stop();
  await server?.stop();
});
beforeEach(async () => {
  Object.assign(world, { models: [classifier, detector], look, asked: [] });
  page = await openPage(browser.context, front.url);
  await page.evaluate(() => {
    window.urls = new Set();
    const [make, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
    URL.createObjectURL = (what) => { const url = make.call(URL, what); window.urls.add(url); return url; };
    URL.revokeObjectURL = (url) => (window.urls.delete(url), revoke.call(URL, url));
  });
  await page.getByRole('link', { name: 'Images' }).click();
  await page.locator('.drop, .get-model').waitFor();
});
afterEach(async () => {
  assert.deepEqual(page.offences, []);
  await page.evaluate(() => localStorage.removeItem('millrace.image-model'));
  await page.close();
});

const card = (name) => page.getByRole('article', { name, exact: true });
const choose = (...files) => page.getByLabel('Choose…').setInputFiles(files);
/** Returns when the page asks that model: a hand is slower than an effect, a script is not. */
async function useModel(name) {
  await page.getByRole('combobox', { name: 'Model' }).selectOption(name);
  await page.getByLabel(name === 'finds' ? 'At least this sure' : 'Classes shown').waitFor();
  await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))); }));
}
const slide = (value) => page.getByLabel('At least this sure').fill(String(value));
const alive = () => page.evaluate(() => window.urls.size);
const near = (a, b, what) => assert.ok(Math.abs(a - b) <= 1.5, `${what}: ${a} against ${b}`);

/** Where the boxes are drawn, in pixels of the shown picture. */
async function drawn(name) {
  const frame = await card(name).locator('.frame img').boundingBox();
  const rects = await card(name).locator('.overlay rect').evaluateAll((list) => list.map((r) => {
    const { x, y, width, height } = r.getBoundingClientRect();
    return { x, y, width, height };
  }));
  return { frame, rects: rects.map((r) => ({ ...r, x: r.x - frame.x, y: r.y - frame.y })) };
}

async function checkBoxes(name, wanted) {
  const { frame, rects } = await drawn(name);
  assert.equal(rects.length, wanted.length);
  const scale = frame.width / kWidth;
  near(frame.height, kHeight * scale, 'the shape of the picture');
  wanted.forEach(({ box }, i) => {
    near(rects[i].x, box.x * scale, 'left');
    near(rects[i].y, box.y * scale, 'top');
    near(rects[i].width, (Math.min(kWidth, box.x + box.width) - box.x) * scale, 'width');
    near(rects[i].height, (Math.min(kHeight, box.y + box.height) - box.y) * scale, 'height');
  });
  return scale;
}

describe('classes', () => {
  it('are bars beside each of several pictures, with their times', async () => {
    await choose(picture('a.png'), picture('b.png', [200, 90, 30]));
    for (const name of ['a.png', 'b.png']) {
      const rows = card(name).getByRole('list', { name: 'Classes, the likeliest first' }).getByRole('listitem');
      await rows.nth(4).waitFor();
      assert.match(await rows.first().textContent(), /tabby\s*60 %/);
      const widths = await card(name).locator('.bar-track > i').evaluateAll((list) => list.map((i) => parseFloat(i.style.width)));
      assert.deepEqual(widths, [60, 30, 15, 7.5, 3.75]);
      const times = await card(name).locator('.times').textContent();
      for (const words of ['Total20 ms', 'decode2.0 ms', 'prepare1.0 ms', 'wait0.5 ms', 'model17 ms']) assert.ok(times.includes(words), `${words} in ${times}`);
      assert.match(await card(name).textContent(), /400 × 300/);
    }
    assert.deepEqual(world.asked.map((a) => [a.task, a.model, a.topK, a.threshold]), Array(2).fill(['classify', 'names', '5', null]));
    assert.equal(world.asked[0].bytes, picture('').buffer.length);
    await page.locator('.images [aria-live]').filter({ hasText: /[ab]\.png: tabby, 60 %/ }).waitFor({ state: 'attached' });
  });

  it('are cut at once where fewer are wanted, and asked for where more are', async () => {
    await choose(picture('a.png'));
    const rows = card('a.png').locator('.bars li');
    await rows.nth(4).waitFor();
    await page.getByLabel('Classes shown').fill('2');
    await until(async () => (await rows.count()) === 2);
    await page.getByLabel('Classes shown').fill('8');
    await rows.nth(7).waitFor();
    assert.deepEqual(world.asked.map((a) => a.topK), ['5', '8']);
  });

  it('show labels as they are, whatever is in them', async () => {
    await choose(picture('<b>x</b>.png'));
    await card('<b>x</b>.png').getByText('<img src=x onerror=alert(1)>').waitFor();
    assert.equal(await page.locator('.bars img').count(), 0);
  });
});

describe('objects', () => {
  it('are boxes over the picture at any width', async () => {
    await useModel('finds');
    await choose(picture('a.png'));
    await card('a.png').locator('.overlay rect').nth(1).waitFor();
    const wide = await checkBoxes('a.png', objects.slice(0, 2));
    await page.setViewportSize({ width: 320, height: 700 });
    const narrow = await checkBoxes('a.png', objects.slice(0, 2));
    assert.ok(narrow < wide);
    await page.setViewportSize({ width: 1280, height: 800 });
    const rows = card('a.png').getByRole('list', { name: 'Objects, the surest first' }).getByRole('listitem');
    assert.deepEqual(await rows.allTextContents(), ['dog120 × 15091 %', 'cat100 × 9062 %']);
    assert.deepEqual(world.asked.map((a) => [a.task, a.model, a.topK, a.threshold]), [['detect', 'finds', null, '0.5']]);
    await rows.first().hover();
    await card('a.png').locator('rect.lit').waitFor();
  });

  it('come and go with the slider; the server is asked only for more', async () => {
    await useModel('finds');
    await choose(picture('a.png'));
    const boxes = card('a.png').locator('.overlay rect');
    await boxes.nth(1).waitFor();
    await slide(0.8);
    await until(async () => (await boxes.count()) === 1);
    await slide(0.95);
    await card('a.png').getByText('Nothing it is 95 % sure of.').waitFor();
    assert.equal(world.asked.length, 1);
    await slide(0.3);
    await boxes.nth(2).waitFor();
    await checkBoxes('a.png', objects);
    assert.deepEqual(world.asked.map((a) => a.threshold), ['0.5', '0.3']);
  });

  it('take the place of classes when another model is chosen, which is remembered', async () => {
    await choose(picture('a.png'));
    await card('a.png').locator('.bars').waitFor();
    await useModel('finds');
    await card('a.png').locator('.overlay rect').first().waitFor();
    assert.equal(await card('a.png').locator('.bars').count(), 0);
    await page.reload();
    await page.getByRole('combobox', { name: 'Model' }).waitFor();
    assert.equal(await page.getByRole('combobox', { name: 'Model' }).inputValue(), 'finds');
  });
});

describe('pictures', () => {
  const transfer = (type, files) => page.evaluateHandle(([name, list]) => {
    const data = new DataTransfer();
    for (const [file, kind, text] of list) data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], file, { type: kind }));
    return name === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }) : data;
  }, [type, files]);
  const bytes = png(20, 20, [9, 9, 9]).toString('base64');

  it('may be dropped', async () => {
    const data = await transfer('drop', [['dropped.png', 'image/png', bytes], ['notes.txt', 'text/plain', '']]);
    const target = page.locator('.drop');
    await target.dispatchEvent('dragenter', { dataTransfer: data });
    await page.locator('.images.over').waitFor();
    await target.dispatchEvent('drop', { dataTransfer: data });
    await card('dropped.png').locator('.bars').waitFor();
    await page.getByText('1 file is no picture and was left out.').waitFor();
    assert.equal(await page.locator('.images.over').count(), 0);
  });

  it('may be pasted', async () => {
    const event = await transfer('paste', [['pasted.png', 'image/png', bytes]]);
    await page.evaluate((e) => document.dispatchEvent(e), event);
    await card('pasted.png').locator('.bars').waitFor();
  });

  it('may be taken with the camera', async () => {
    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Camera' });
    await dialog.getByRole('button', { name: 'Take the picture' }).click();
    await page.getByRole('article', { name: /^camera .*\.jpg$/ }).locator('.bars').waitFor();
    assert.equal(await dialog.count(), 0);
    assert.ok(world.asked[0].bytes > 500);
    await page.getByRole('button', { name: 'Camera', exact: true }).click();
    await dialog.getByRole('button', { name: 'Take the picture', disabled: false }).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Camera');
  });

  it('fail one by one, with the server’s words, and may be tried again', async () => {
    await choose(picture('good.png'), picture('broken.png'));
    await card('broken.png').getByRole('alert').getByText('broken.png is cut short').waitFor();
    await card('good.png').locator('.bars').waitFor();
    world.look = (q) => look({ ...q, name: 'mended.png' });
    await card('broken.png').getByRole('button', { name: 'Try again' }).click();
    await card('broken.png').locator('.bars').waitFor();
    assert.equal(await card('broken.png').getByRole('alert').count(), 0);
  });

  it('are not asked about more than a few at a time', async () => {
    let now = 0, most = 0;
    world.look = async (q) => {
      most = Math.max(most, ++now);
      await new Promise((done) => setTimeout(done, 60));
      now--;
      return look(q);
    };
    await choose(...Array.from({ length: 9 }, (_, i) => picture(`${i}.png`)));
    await until(async () => (await page.locator('.bars').count()) === 9);
    assert.ok(most > 1 && most <= 3, `${most} at once`);
  });

  it('give their memory back', async () => {
    await choose(picture('a.png'), picture('b.png'));
    await card('b.png').locator('.bars').waitFor();
    assert.equal(await alive(), 2);
    await card('a.png').getByRole('button', { name: 'Remove a.png' }).click();
    await until(async () => (await alive()) === 1);
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('link', { name: 'Images' }).click();
    await card('b.png').locator('.bars').waitFor(); // kept while the page lives
    await page.getByRole('button', { name: 'Remove all' }).click();
    await until(async () => (await alive()) === 0);
    assert.equal(await page.locator('.picture').count(), 0);
  });
});

describe('the demo models of the real server', { skip: demos.length < 2 && 'make demo-models has not been run' }, () => {
  it('name and find, with their own labels and times', async () => {
    const real = await startServer({ also: demos });
    const mine = await openPage(browser.context, real.url);
    await mine.getByRole('link', { name: 'Images' }).click();
    const model = mine.getByRole('combobox', { name: 'Model' });
    await model.selectOption('demo-classify');
    await mine.getByLabel('Choose…').setInputFiles([picture('a.png', [240, 230, 210]), { name: 'b.png', mimeType: 'image/png', buffer: Buffer.from('no picture') }]);
    const good = mine.getByRole('article', { name: 'a.png' });
    await good.locator('.bars li').nth(4).waitFor();
    assert.match(await good.locator('.times').textContent(), /Total[\d.]+ m?s/);
    assert.match(await good.textContent(), /400 × 300/);
    assert.match(await mine.getByRole('article', { name: 'b.png' }).getByRole('alert').textContent(), /\w{3}/);
    await model.selectOption('demo-detect');
    await good.locator('.overlay rect').or(good.getByText('Nothing it is 50 % sure of.')).first().waitFor();
    assert.deepEqual(mine.offences, []);
    await mine.close();
    await real.stop();
  });
});

describe('everybody', () => {
  it('is told how to get a model where there is none', async () => {
    world.models = [];
    await page.reload();
    await page.getByText('No model for pictures is loaded.').waitFor();
    await page.getByText('make demo-models').waitFor();
    assert.equal(await page.locator('.drop').count(), 0);
    assert.deepEqual(await violations(page), []);
  });

  it('reaches everything with the keyboard', async () => {
    await choose(picture('a.png'));
    await card('a.png').locator('.bars').waitFor();
    await page.getByRole('combobox', { name: 'Model' }).focus();
    const seen = [];
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press('Tab');
      seen.push(await page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent));
    }
    assert.deepEqual(seen.slice(0, 5), ['Classes shown', 'Remove all', 'Choose…', 'Camera', 'Remove a.png']);
    await page.getByRole('button', { name: 'Remove a.png' }).focus();
    await page.keyboard.press('Enter');
    await card('a.png').waitFor({ state: 'detached' });
  });

  it('finds it within a phone, in both languages and colours, and axe finds nothing', async () => {
    for (const name of ['names', 'finds']) {
      await page.getByRole('combobox', { name: 'Model' }).selectOption(name);
      await choose(picture('a.png'), picture('broken.png'));
      await card('a.png').last().locator(name === 'finds' ? '.overlay rect' : '.bars').first().waitFor();
      await card('broken.png').last().getByRole('alert').waitFor();
      await inEveryLook(page, async (how) => assert.deepEqual(await violations(page), [], `${name}: ${how}`));
      await page.setViewportSize({ width: 360, height: 740 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${over} px too wide`);
      assert.deepEqual(await violations(page), [], `${name}: a phone`);
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.getByRole('button', { name: 'Remove all' }).click();
    }
  });

  it('reads Chinese', async () => {
    await choose(picture('a.png'));
    await card('a.png').locator('.bars').waitFor();
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('heading', { name: '图片' }).waitFor();
    const text = await page.locator('.images').evaluate((el) => [...el.querySelectorAll('h1, p, dt, label > span, .button')].map((x) => x.textContent.trim()));
    assert.deepEqual(text.filter((words) => /^[A-Za-z][a-z]+ [a-z]/.test(words)), []);
    await page.getByRole('button', { name: 'English' }).click();
  });
});
