// A 20,000-token answer: what was settled is not touched again, the end is followed, the reader may leave it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inTokens, longAnswer } from './long_answer.mjs';
import { chatOf, model, openPage, startBrowser, startServer, startStandIn } from './rig.mjs';

let server, standIn, browser, page, chat;
const pieces = inTokens(longAnswer());
before(async () => {
  server = await startServer();
  standIn = await startStandIn(server.url, { pieces, burst: 50, pauseMs: 10 });
  browser = await startBrowser();
  page = await openPage(browser.context, standIn.url);
  chat = chatOf(page);
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
});
after(async () => {
  await browser?.stop();
  await standIn?.stop();
  await server?.stop();
});

const blocks = () => page.locator('.markdown .block').count();
const distance = () => page.evaluate(() => {
  const el = document.querySelector('.scroller');
  return el.scrollHeight - el.scrollTop - el.clientHeight;
});

describe('a long answer', () => {
  it('grows at its end only', async () => {
    await chat.say('Tell me everything.');
    await page.waitForFunction(() => document.querySelectorAll('.markdown .block').length > 30);
    await page.evaluate(() => {
      window.touched = 0;
      const early = [...document.querySelectorAll('.markdown .block')].slice(0, 20);
      early.forEach((el) => (el.known = true));
      const watch = new MutationObserver((list) => (window.touched += list.length));
      // The highlighter may still be on its way to the code among them.
      early.filter((el) => !el.classList.contains('code')).forEach((el) => watch.observe(el, { subtree: true, childList: true, characterData: true }));
    });
    await page.waitForFunction(() => document.querySelectorAll('.markdown .block').length > 100);
    assert.equal(await page.evaluate(() => window.touched), 0);
    assert.equal(await page.evaluate(() => [...document.querySelectorAll('.markdown .block')].slice(0, 20).every((el) => el.known)), true);
  });

  it('lets the reader go, and takes them back', async () => {
    await page.locator('.scroller').hover();
    await page.mouse.wheel(0, -1500);
    await page.getByRole('button', { name: 'To the latest' }).waitFor();
    const before = await blocks();
    await page.waitForFunction((n) => document.querySelectorAll('.markdown .block').length > n + 5, before);
    assert.ok((await distance()) > 500, 'the page stayed where the reader is');
    await page.getByRole('button', { name: 'To the latest' }).click();
    await chat.answered(1);
    await page.waitForTimeout(300);
    assert.ok((await distance()) < 80, `${await distance()} from the end`);
  });

  it('is whole', async () => {
    const text = await page.evaluate(() => document.querySelector('.markdown').textContent);
    assert.ok(text.includes('let value_399 = compute(399, "text");'));
    assert.equal(await page.locator('.markdown ol > li').count(), 300);
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('.markdown ol')].map((el) => el.start)),
      Array.from({ length: 14 }, (_, i) => 1 + 20 * i));
    assert.match(await chat.answers.first().locator('.figures').textContent(), new RegExp(`${pieces.length.toLocaleString('en-US')} tokens`));
    assert.deepEqual(page.offences, []);
  });
});
