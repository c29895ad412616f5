// A 20,000-token answer: what was settled is not touched again, the end is followed, the reader may leave it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { inTokens, longAnswer } from './long_answer.mjs';
import { chatOf, model, openPage, startBrowser, startServer, startStandIn } from './rig.mjs';

let server, standIn, browser, page, chat;
const pieces = inTokens(longAnswer());
const script = { pieces, burst: 50, pauseMs: 10 };
let release = () => {};

/** Lets the answer go on, up to this share of it. */
function goOn(share) {
  const at = Math.round(share * pieces.length);
  const go = release;
  const held = new Promise((done) => (release = done));
  script.gate = (sent) => (sent === at ? held : undefined);
  go();
}

before(async () => {
  server = await startServer();
  standIn = await startStandIn(server.url, script);
  browser = await startBrowser();
  page = await openPage(browser.context, standIn.url);
  chat = chatOf(page);
  await page.evaluate(() => {
    const el = document.querySelector('.scroller');
    window.distance = () => el.scrollHeight - el.scrollTop - el.clientHeight;
    window.atEnd = () => window.distance() < 5;
  });
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
});
after(async () => {
  await browser?.stop();
  await standIn?.stop();
  await server?.stop();
});

const blocks = () => page.locator('.markdown .block').count();
const distance = () => page.evaluate(() => window.distance());

describe('a long answer', () => {
  it('grows at its end only', async () => {
    goOn(0.2);
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
    goOn(0.5);
    await page.waitForFunction(() => document.querySelectorAll('.markdown .block').length > 100);
    assert.equal(await page.evaluate(() => window.touched), 0);
    assert.equal(await page.evaluate(() => [...document.querySelectorAll('.markdown .block')].slice(0, 20).every((el) => el.known)), true);
  });

  it('lets the reader go, and takes them back', async () => {
    await page.waitForFunction(() => window.atEnd());
    await page.locator('.scroller').hover();
    await page.mouse.wheel(0, -40); // a first small movement is enough
    await page.waitForFunction(() => !window.atEnd());
    const before = await blocks();
    goOn(0.9);
    await page.waitForFunction((n) => document.querySelectorAll('.markdown .block').length > n + 5, before);
    const left = await distance();
    assert.ok(left > 500, `the page stayed where the reader is, not ${left} from the end`);
    await page.getByRole('button', { name: 'To the latest' }).click();
    await page.waitForFunction(() => window.atEnd());
    goOn(2);
    await chat.answered(1);
    await page.waitForFunction(() => window.atEnd());
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
