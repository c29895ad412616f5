// How it looks and who can use it: themes, languages, narrow screens, the keyboard, and axe on every page.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { violations } from './axe.mjs';
import { chatOf, model, openPage, startBrowser, startServer, startStandIn } from './rig.mjs';

const answer = '## A *title*\n\nWords with `code` and a [link](https://example.org).\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\n' +
  '```python\n# a comment\ndef palindrome(text: str) -> bool:\n    return text == text[::-1] and len(text) > 1\n```\n';
const script = { pieces: answer.match(/[^]{1,9}/g) };
let server, standIn, browser, page, chat;
before(async () => {
  server = await startServer();
  standIn = await startStandIn(server.url, script);
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

const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const theme = (name) => page.getByRole('button', { name, exact: true }).click();
const goTo = async (name) => {
  await page.evaluate((to) => (location.hash = `/${to}`), name);
  await page.locator({ chat: '.composer', images: '.drop, .get-model', models: '.card', live: '.plot canvas' }[name]).first().waitFor();
};

describe('themes', () => {
  it('follow the system until one is chosen, and are remembered', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await background();
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await background();
    assert.notEqual(dark, light);
    await theme('Dark');
    assert.equal(await background(), dark);
    await page.reload();
    await chat.input.waitFor();
    assert.equal(await background(), dark);
    await theme('Light');
    assert.equal(await background(), light);
    await theme('As the system');
  });
});

describe('languages', () => {
  it('change every word, at once and for good', async () => {
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('textbox', { name: '消息' }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
    for (const name of ['chat', 'images', 'models', 'live']) {
      await goTo(name);
      // Words that are the same in both: names, units, figures.
      const text = await page.evaluate(() => [...document.querySelectorAll('main h1, main h2, main h3, main p, main dt, main label, main button, nav a')]
        .map((el) => el.textContent.trim()).filter((words) => /^[A-Za-z][a-z]+ [a-z]/.test(words)));
      assert.deepEqual(text, [], name);
    }
    await page.reload();
    await page.getByText('每秒 token').first().waitFor();
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByText('Tokens a second').first().waitFor();
    await goTo('chat');
  });
});

describe('models and live', () => {
  it('show what the server says', async () => {
    await goTo('models');
    const card = page.getByRole('article', { name: model });
    const state = await (await fetch(`${server.url}/ui/state`)).json();
    const info = state.models.find((m) => m.name === model);
    const facts = await card.locator('.facts').textContent();
    for (const word of [info.family, info.weights, info.kernels, '135M', info.max_model_len.toLocaleString('en-US')]) assert.ok(facts.includes(word), word);
    await card.getByText('Ready').waitFor();
    await card.getByRole('button', { name: 'Chat with it' }).click();
    await chat.input.waitFor();
    assert.equal(await chat.picker.inputValue(), model);
  });

  it('move when the engine works', async () => {
    await goTo('live');
    const tile = (name) => page.locator('.tile', { hasText: name }).locator('dd');
    const shown = (name, isSo) => page.waitForFunction(([words, test]) => [...document.querySelectorAll('.tile')]
      .some((t) => t.textContent.includes(words) && new RegExp(test).test(t.querySelector('dd').textContent)), [name, isSo]);
    const moved = Promise.all([shown('Tokens a second', '[1-9]'), shown('first token', '\\d')]); // watched before it happens: a second later it may be over
    const busy = fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model, max_tokens: 150, ignore_eos: true, messages: [{ role: 'user', content: 'Tell me a story.' }] }) }).then((r) => r.json());
    await Promise.all([moved, busy]);
    assert.match(await tile('Memory').textContent(), /[\d.]+ [MG]iB/);
    await page.locator('.plot canvas').nth(7).waitFor();
    assert.equal(await page.locator('.plot canvas').count(), 8);
    await goTo('chat');
  });
});

describe('a phone', () => {
  it('shows everything within its width', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.keyboard.press('Control+k');
    await chat.say('Format something');
    await chat.answered(1);
    for (const name of ['chat', 'images', 'models', 'live']) {
      await goTo(name);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${name} is ${over} px too wide`);
    }
    await page.getByRole('button', { name: 'Open menu' }).click();
    await page.getByRole('link', { name: 'Chat' }).click();
    await chat.input.waitFor();
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    const panel = await page.getByRole('complementary', { name: 'Settings of this chat' }).boundingBox();
    assert.ok(panel.x >= 0 && panel.x + panel.width <= 360);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Close' }).last().click();
    await page.getByRole('button', { name: 'Open menu' }).click();
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 1280, height: 800 });
  });
});

describe('the keyboard', () => {
  it('reaches everything from the top, in order', async () => {
    await page.keyboard.press('Control+k');
    await page.evaluate(() => (document.activeElement?.blur(), scrollTo(0, 0)));
    const seen = [];
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      seen.push(await page.evaluate(() => document.activeElement?.getAttribute('aria-label') || document.activeElement?.textContent.trim().slice(0, 30)));
    }
    for (const wanted of ['Skip to content', 'Chat', 'Images', 'Models', 'Live', 'New chat', 'Model', 'Settings', 'Message']) {
      assert.ok(seen.includes(wanted), `${wanted} among ${seen.join(' | ')}`);
    }
  });

  it('breaks lines with Shift and opens the settings', async () => {
    await chat.input.fill('one');
    await chat.input.press('Shift+Enter');
    await page.keyboard.type('two');
    assert.equal(await chat.input.inputValue(), 'one\ntwo');
    await page.keyboard.press('Control+,');
    await page.getByRole('complementary', { name: 'Settings of this chat' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('complementary').waitFor({ state: 'detached' });
    await chat.input.fill('');
  });
});

describe('axe', () => {
  for (const colours of ['Light', 'Dark']) {
    for (const language of ['English', '中文']) {
      it(`finds nothing: ${colours}, ${language}`, async () => {
        await page.getByRole('button', { name: 'English' }).click();
        await theme(colours);
        await goTo('chat');
        await page.keyboard.press('Control+k');
        await page.getByRole('button', { name: language }).click();
        assert.deepEqual(await violations(page), [], 'an empty chat');
        await page.locator('.composer textarea').fill('Format something');
        await page.keyboard.press('Enter');
        await page.locator('.hljs-keyword').first().waitFor();
        await page.locator('.assistant .figures').first().waitFor();
        await page.keyboard.press('Control+,');
        assert.deepEqual(await violations(page), [], 'an answer and the settings');
        await page.keyboard.press('Control+,');
        for (const name of ['images', 'models', 'live']) {
          await goTo(name);
          assert.deepEqual(await violations(page), [], name);
        }
        await goTo('chat');
      });
    }
  }
  it('would notice', async () => {
    await page.evaluate(() => document.querySelector('.composer textarea').removeAttribute('aria-label'));
    await page.evaluate(() => document.querySelector('.composer textarea').removeAttribute('placeholder'));
    assert.match((await violations(page)).join(), /label/);
  });
});
