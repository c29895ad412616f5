// Takes the pictures of the README from the real server: docs/images/ui-*.png.
// usage: tests/ui/run --shots      MILLRACE_URL: a server that also has models for pictures; MILLRACE_PICTURES: a folder of some
import fs from 'node:fs';
import path from 'node:path';
import { chatOf, model, openPage, root, startBrowser, startServer } from './rig.mjs';

const own = process.env.MILLRACE_URL ? null : await startServer();
const url = process.env.MILLRACE_URL ?? own.url;
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
  for (const question of ['Give me three ideas for a rainy Sunday.', 'Why is the sky blue?', 'How does a water mill work?', 'Name five rivers in Europe.']) {
    await page.keyboard.press('Control+k');
    await chat.picker.selectOption(model);
    await chat.say(question);
    await chat.answered(1);
  }
  await page.keyboard.press('Control+k');
  await chat.say('Write a Python function that reverses a string, with one short example.');
  await chat.answered(1);
  await page.locator('.scroller').evaluate((el) => (el.scrollTop = 0));
  await page.mouse.move(0, 0);
  await shot(page, 'chat');
}

async function images(page) {
  const folder = process.env.MILLRACE_PICTURES;
  await page.getByRole('link', { name: 'Images' }).click();
  if (!folder || (await page.locator('.drop').count()) === 0) return console.log('no pictures, or no model for them: ui-images.png stays as it is');
  const files = fs.readdirSync(folder).sort().map((name) => path.join(folder, name));
  await page.getByLabel('Choose…').setInputFiles(files);
  await page.waitForFunction((n) => document.querySelectorAll('.picture .times').length === n, files.length);
  await page.waitForTimeout(600);
  await shot(page, 'images');
}

try {
  const page = await openPage(context, url);
  await page.getByRole('button', { name: 'Light', exact: true }).click();
  await chats(page);
  await images(page);
  await page.getByRole('link', { name: 'Live' }).click();
  await page.getByRole('button', { name: 'Dark', exact: true }).click();
  await page.locator('.plot canvas').first().waitFor();
  await crowd(55);
  const still = crowd(4);
  await page.waitForTimeout(3000);
  await shot(page, 'live');
  await still;
  await page.getByRole('button', { name: 'Light', exact: true }).click();
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByRole('link', { name: '模型' }).click();
  await page.locator('.card').nth(1).waitFor();
  await shot(page, 'models');
} finally {
  await stop();
  await own?.stop();
}
