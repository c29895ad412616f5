// A conversation with SmolLM2 on the real server: everything a person does on the Chat page.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { chatOf, model, openPage, simulated, startBrowser, startServer } from './rig.mjs';

let server, browser, page, chat;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});
beforeEach(async () => {
  await page?.close();
  page = await openPage(browser.context, server.url);
  chat = chatOf(page);
  await page.getByRole('button', { name: 'New chat', exact: true }).first().click();
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
  await chat.picker.selectOption(model);
  await limit(80); // a small model may never come to an end
});

const limit = async (tokens) => {
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await page.getByLabel('Longest answer').fill(String(tokens));
  await page.getByLabel('Longest answer').press('Tab');
  await page.getByRole('button', { name: 'Close' }).click();
};

const requestOf = async (act) => {
  const [request] = await Promise.all([page.waitForRequest('**/v1/chat/completions'), act()]);
  return request.postDataJSON();
};

describe('chat', () => {
  it('sends and streams, and says how fast', async () => {
    await page.evaluate(() => {
      window.lengths = new Set();
      const look = () => window.lengths.add(document.querySelector('.assistant.growing .markdown')?.textContent.length ?? 0);
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await limit(400); // long enough to be seen growing on any machine
    const body = await requestOf(() => chat.say('Tell me a long story about a river, a mill and a miller, with many chapters.'));
    assert.equal(body.model, model);
    assert.equal(body.stream, true);
    assert.deepEqual(body.messages, [{ role: 'user', content: 'Tell me a long story about a river, a mill and a miller, with many chapters.' }]);
    await chat.answered(1);
    const steps = await page.evaluate(() => window.lengths.size);
    assert.ok(steps > 3, `the text grew in ${steps} steps`);
    const figures = await chat.answers.first().locator('.figures').textContent();
    assert.match(figures, /tok\/s/);
    assert.match(figures, /first words [\d.]+ m?s/);
    assert.match(figures, /\d+ tokens/);
    assert.match(await page.locator('.context').textContent(), /\d+ of [\d,]+ tokens/);
    assert.match(await page.title(), /Chat · Millrace/);
    assert.deepEqual(page.offences, []);
  });

  it('remembers what was said', async () => {
    await chat.say('Say one word.');
    await chat.answered(1);
    const answer = (await page.evaluate(() => document.querySelector('.assistant .markdown').textContent)).trim();
    const body = await requestOf(() => chat.say('And another.'));
    assert.deepEqual(body.messages.map((m) => m.role), ['user', 'assistant', 'user']);
    assert.ok(body.messages[1].content.length >= Math.min(3, answer.length));
    await chat.answered(2);
  });

  it('stops, by button and by key', async () => {
    for (const stop of [() => chat.stop.click(), () => page.keyboard.press('Escape')]) {
      await page.getByRole('button', { name: 'New chat', exact: true }).first().click();
      await limit(4000);
      await chat.say('Write a very long story about a river, a mill and a miller. At least two thousand words.');
      await page.waitForFunction(() => (document.querySelector('.assistant .markdown')?.textContent.length ?? 0) > 40);
      await stop();
      await chat.answered(1);
      assert.match(await chat.answers.first().textContent(), /Stopped\./);
      await page.waitForFunction(async () => {
        const state = await (await fetch('/ui/state')).json();
        return state.models.every((m) => !m.live || m.live.running + m.live.waiting === 0);
      });
    }
  });

  it('retries: another answer beside the first', async () => {
    await chat.say('Name an animal.');
    await chat.answered(1);
    const body = await requestOf(() => chat.answers.first().getByRole('button', { name: 'Try again' }).click());
    assert.deepEqual(body.messages, [{ role: 'user', content: 'Name an animal.' }]);
    await chat.answered(1);
    assert.equal(await chat.answers.count(), 1);
    const versions = chat.answers.first().getByRole('group', { name: 'Version 2 of 2' });
    await versions.getByRole('button', { name: 'Earlier version' }).click();
    await chat.answers.first().getByRole('group', { name: 'Version 1 of 2' }).waitFor();
  });

  it('edits: a branch that can be left and found again', async () => {
    await chat.say('Name a colour.');
    await chat.answered(1);
    await chat.say('Another one.');
    await chat.answered(2);
    await chat.questions.first().getByRole('button', { name: 'Edit' }).click();
    const editor = page.getByRole('textbox', { name: 'Edit the message' });
    await editor.fill('Name a planet.');
    const body = await requestOf(() => editor.press('Enter'));
    assert.deepEqual(body.messages, [{ role: 'user', content: 'Name a planet.' }]);
    await chat.answered(1);
    assert.equal(await chat.questions.count(), 1);
    await chat.questions.first().getByRole('button', { name: 'Earlier version' }).click();
    assert.equal(await chat.questions.count(), 2);
    assert.match(await chat.questions.first().textContent(), /Name a colour/);
    await chat.questions.first().getByRole('button', { name: 'Later version' }).click();
    assert.match(await chat.questions.first().textContent(), /Name a planet/);
  });

  it('leaves a message as it was when an edit is given up', async () => {
    await chat.say('Name a tree.');
    await chat.answered(1);
    await chat.input.press('ArrowUp');
    const editor = page.getByRole('textbox', { name: 'Edit the message' });
    await editor.fill('Something else');
    await editor.press('Escape');
    assert.match(await chat.questions.first().textContent(), /Name a tree\./);
    assert.equal(await chat.questions.first().getByRole('group').count(), 0);
  });

  it('asks the model that is chosen', async () => {
    await chat.picker.selectOption(simulated);
    assert.equal((await requestOf(() => chat.say('Hello'))).model, simulated);
    await chat.answers.first().locator('.byline', { hasText: simulated }).waitFor();
    await page.keyboard.press('Escape');
    await chat.answered(1);
    await chat.picker.selectOption(model);
    assert.equal((await requestOf(() => chat.say('Hello'))).model, model);
    await chat.answered(2);
  });

  it('sends the settings, and only those that are set', async () => {
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByLabel('System prompt').fill('You are terse.');
    await page.getByLabel('Temperature').fill('0');
    await page.getByLabel('Longest answer').fill('12');
    await page.getByLabel('Seed').fill('7');
    await page.getByLabel('Stop at').fill('###\nEND');
    await chat.input.focus();
    const body = await requestOf(() => chat.say('Tell me about rivers.'));
    const { model: _m, stream: _s, stream_options: _o, messages, ...sampling } = body;
    assert.deepEqual(sampling, { temperature: 0, max_tokens: 12, seed: 7, stop: ['###', 'END'] });
    assert.deepEqual(messages[0], { role: 'system', content: 'You are terse.' });
    await chat.answered(1);
    assert.match(await chat.answers.first().textContent(), /12 tokens/);
    assert.match(await chat.answers.first().textContent(), /Cut at the token limit/);
    await page.getByRole('button', { name: 'Back to the model’s defaults' }).click();
    const again = await requestOf(() => chat.answers.first().getByRole('button', { name: 'Try again' }).click());
    assert.equal(again.temperature, undefined);
    assert.equal(again.stop, undefined);
    await chat.stop.click({ timeout: 3000 }).catch(() => {}); // it may be over
    await chat.answered(1);
    await page.getByLabel('System prompt').fill('');
    await page.getByRole('button', { name: 'Close' }).click();
  });

  it('says what the server says when it refuses', async () => {
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByLabel('Longest answer').fill('9000000');
    await chat.input.focus();
    await chat.say('Hello');
    const alert = chat.answers.first().getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.textContent(), /The answer failed\..*max_tokens|context/s);
    await page.getByRole('button', { name: 'Back to the model’s defaults' }).click();
    await page.getByRole('button', { name: 'Close' }).click();
  });
});
