// Takes the pictures of the README from the real server: docs/images/ui-*.png.
// usage: tests/ui/run --shots [NAME…]      names: chat, images (of the models of `make demo-models`), live, models
import path from 'node:path';
import { chatOf, demos, model, openPage, root, startBrowser, startServer } from './rig.mjs';

const wanted = process.argv.slice(2);
const wants = (name) => wanted.length === 0 || wanted.includes(name);
const server = await startServer({ also: demos });
const { url } = server;
const { context, stop } = await startBrowser();
const shot = (page, name) => page.screenshot({ path: path.join(root, 'docs/images', `ui-${name}.png`), animations: 'disabled' });

async function ask(content, more = {}) {
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, max_tokens: 120, messages: [{ role: 'user', content }], ...more }) });
  return response.json();
}

/** A few people who talk for a while, not all at once. */
async function crowd(seconds) {
  const questions = ['How does a water mill work?', 'Name five rivers in Europe.', 'Why is the sky blue?', 'Tell me a short story about a miller.', 'What is bread made of?'];
  const end = Date.now() + seconds * 1000;
  const person = async (n) => {
    for (let i = n; Date.now() < end; i++) {
      await ask(questions[i % questions.length], { temperature: 0.8, max_tokens: 60 + 40 * (i % 3) });
      await new Promise((done) => setTimeout(done, 400 * ((i * 7 + n) % 5)));
    }
  };
  await Promise.all([0, 1, 2, 3].map(person));
}

async function chats(page) {
  const chat = chatOf(page);
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
  const say = async (question, tokens) => {
    await page.keyboard.press('Control+k');
    await chat.picker.selectOption(model);
    await page.keyboard.press('Control+,');
    await page.getByLabel('Temperature').fill('0');
    await page.getByLabel('Longest answer').fill(String(tokens));
    await page.getByLabel('Longest answer').press('Tab');
    await page.keyboard.press('Control+,');
    await chat.say(question);
    await chat.answered(1);
  };
  for (const question of ['Give me three ideas for a rainy Sunday.', 'Why is the sky blue?', 'Name five rivers in Europe.']) await say(question, 24);
  await say('Write a Python function that reverses a string.', 180);
  await page.locator('.scroller').evaluate((el) => (el.scrollTop = 0));
  await page.mouse.move(0, 0);
  await shot(page, 'chat');
}

/** Drawn here, as a person might: PNG files. */
const drawings = (page) => page.evaluate(() => {
  const shapes = {
    star: Array.from({ length: 10 }, (_, i) => [Math.sin((i * Math.PI) / 5), -Math.cos((i * Math.PI) / 5)].map((v) => v * (i % 2 ? 0.42 : 1))),
    heart: Array.from({ length: 40 }, (_, i) => {
      const t = (i / 40) * 2 * Math.PI;
      return [16 * Math.sin(t) ** 3 / 17, -(13 * Math.cos(t) - 5 * Math.cos(2 * t) - 2 * Math.cos(3 * t) - Math.cos(4 * t)) / 17];
    }),
    triangle: [[0, -1], [0.95, 0.75], [-0.95, 0.75]],
    cross: [[-0.3, -1], [0.3, -1], [0.3, -0.3], [1, -0.3], [1, 0.3], [0.3, 0.3], [0.3, 1], [-0.3, 1], [-0.3, 0.3], [-1, 0.3], [-1, -0.3], [-0.3, -0.3]],
  };
  const draw = (ground, things) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 640 });
    const g = canvas.getContext('2d');
    g.fillStyle = ground;
    g.fillRect(0, 0, 640, 640);
    for (const [what, x, y, size, colour, turn = 0] of things) {
      g.save();
      g.translate(x, y);
      g.rotate(turn);
      g.fillStyle = colour;
      if (shapes[what]) {
        g.beginPath();
        shapes[what].forEach(([px, py]) => g.lineTo(px * size, py * size));
        g.fill();
      } else {
        g.font = `600 ${size * 2.4}px Inter, sans-serif`;
        g.textAlign = 'center';
        g.textBaseline = 'middle';
        g.fillText(what, 0, 0);
      }
      g.restore();
    }
    return canvas.toDataURL('image/png');
  };
  return {
    'shapes.png': draw('#f4efe4', [['star', 175, 180, 110, '#d99a1c', 0.1], ['heart', 460, 190, 95, '#c2374a'], ['4', 170, 465, 85, '#22577a'], ['triangle', 455, 470, 105, '#2f7d5b', -0.1]]),
    'numbers.png': draw('#21303a', [['7', 190, 200, 105, '#f2c14e', -0.08], ['cross', 455, 200, 90, '#e8e3d8', 0.1], ['3', 330, 455, 105, '#7fc8b8', 0.06]]),
  };
});

async function images(page) {
  await page.getByRole('link', { name: 'Images' }).click();
  if (demos.length === 0) return console.log('no models for pictures: run make demo-models; ui-images.png stays as it is');
  await page.getByRole('combobox', { name: 'Model' }).selectOption('demo-detect');
  const files = Object.entries(await drawings(page)).map(([name, data]) => ({ name, mimeType: 'image/png', buffer: Buffer.from(data.split(',')[1], 'base64') }));
  await page.getByLabel('Choose…').setInputFiles(files);
  await page.waitForFunction((n) => document.querySelectorAll('.picture .times').length === n, files.length);
  await page.waitForTimeout(600);
  await page.mouse.move(0, 0);
  await shot(page, 'images');
}

async function live(page) {
  await page.getByRole('link', { name: 'Live' }).click();
  await page.getByRole('button', { name: 'Dark', exact: true }).click();
  await page.locator('.plot canvas').first().waitFor();
  await crowd(Number(process.env.CROWD_SECONDS ?? 55));
  const still = crowd(4);
  await page.waitForTimeout(3000);
  await page.mouse.move(0, 0);
  await shot(page, 'live');
  await still;
}

async function models(page) {
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByRole('link', { name: '模型' }).click();
  await page.locator('.card').nth(1).waitFor();
  await page.mouse.move(0, 0);
  await shot(page, 'models');
}

try {
  const page = await openPage(context, url);
  for (const [name, take] of Object.entries({ chat: chats, images, live, models })) {
    if (!wants(name)) continue;
    await page.getByRole('button', { name: 'Light', exact: true }).click();
    await take(page);
  }
} finally {
  await stop();
  await server.stop();
}
