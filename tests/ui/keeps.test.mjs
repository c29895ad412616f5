// What stays in the browser: reload, offline, many conversations, rename, delete, export and import.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { chatOf, model, openPage, startBrowser, startServer, startStandIn } from './rig.mjs';

let server, standIn, browser, page, chat;
const kAnswer = { pieces: ['The ', 'answer ', 'is 42.'], pauseMs: 0, gate: undefined };
const script = { ...kAnswer };
before(async () => {
  server = await startServer();
  standIn = await startStandIn(server.url, script);
});
after(async () => {
  await standIn?.stop();
  await server?.stop();
});
beforeEach(async () => {
  Object.assign(script, kAnswer);
  browser = await startBrowser();
  page = await openPage(browser.context, standIn.url);
  page.removeAllListeners('dialog');
  chat = chatOf(page);
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
});
afterEach(() => browser.stop());

const conversationsFile = (conversations) => ({ name: 'x.json', mimeType: 'application/json',
  buffer: Buffer.from(JSON.stringify({ format: 'millrace-conversations', version: 1, conversations })) });
const menu = async (title, item) => {
  await page.locator('.entry', { hasText: title }).hover();
  await page.locator('.entry', { hasText: title }).locator('summary').click();
  await page.getByRole('button', { name: item, exact: true }).click();
};

describe('conversations', () => {
  it('survive a reload, branches and figures too', async () => {
    await chat.say('What is the answer?');
    await chat.answered(1);
    await chat.answers.first().getByRole('button', { name: 'Try again' }).click();
    await chat.answers.first().getByRole('group', { name: 'Version 2 of 2' }).waitFor();
    await chat.answered(1);
    await page.reload();
    await chat.answers.first().waitFor();
    assert.match(await chat.questions.first().textContent(), /What is the answer\?/);
    assert.match(await chat.answers.first().textContent(), /The answer is 42\..*2 \/ 2.*3 tokens/s);
    assert.equal(await chat.titles.count(), 1);
  });

  it('keep what had come when the page was closed', async () => {
    Object.assign(script, { pieces: Array(400).fill('word '), pauseMs: 50 });
    await chat.say('Go on for long.');
    await page.waitForFunction(() => (document.querySelector('.markdown')?.textContent.length ?? 0) > 50);
    await page.reload();
    await chat.answers.first().waitFor();
    assert.match(await chat.answers.first().textContent(), /word word.*Stopped\./s);
  });

  it('are fifty, and can be searched', async () => {
    const said = (i) => `Question number ${i}${i === 17 ? ' about herons' : ''}`;
    const older = Array.from({ length: 49 }, (_, i) => ({ title: said(i + 1), created: 1000 * i, updated: 1000 * i,
      messages: { a: { id: 'a', parent: '', role: 'user', content: said(i + 1), created: 1000 * i } } }));
    await page.locator('input[type=file]').setInputFiles(conversationsFile(older));
    await page.getByText('49 conversations imported.').waitFor();
    await chat.say(said(50));
    await chat.answered(1);
    assert.equal(await chat.titles.count(), 50);
    await page.reload();
    await chat.answers.first().waitFor();
    assert.equal(await chat.titles.count(), 50);
    assert.equal(await chat.titles.first().textContent(), 'Question number 50');
    await page.keyboard.press('Control+/');
    await page.keyboard.type('HERON');
    assert.equal(await chat.titles.count(), 1);
    await chat.titles.first().click();
    await chat.questions.filter({ hasText: 'about herons' }).waitFor();
    await page.getByRole('searchbox').fill('nothing like it');
    await page.getByText('Nothing found').waitFor();
  });

  it('are renamed and deleted', async () => {
    await chat.say('First');
    await chat.answered(1);
    await page.keyboard.press('Control+k');
    await chat.say('Second');
    await chat.answered(1);
    await menu('First', 'Rename');
    await page.getByRole('textbox', { name: 'New name' }).fill('A better name');
    await page.keyboard.press('Enter');
    await chat.titles.filter({ hasText: 'A better name' }).waitFor();
    page.once('dialog', (dialog) => dialog.dismiss());
    await menu('Second', 'Delete');
    assert.equal(await chat.titles.count(), 2);
    page.once('dialog', (dialog) => dialog.accept());
    await menu('Second', 'Delete');
    await page.waitForFunction(() => document.querySelectorAll('.entry-title').length === 1);
    await page.reload();
    await page.waitForFunction(() => document.querySelector('.entry-title')?.textContent === 'A better name');
    assert.equal(await chat.titles.count(), 1);
  });

  it('go out as a file and come back', async () => {
    await chat.say('Take me with you');
    await chat.answered(1);
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export all' }).click()]);
    const file = await download.path();
    const content = JSON.parse(fs.readFileSync(file, 'utf8'));
    assert.equal(content.format, 'millrace-conversations');
    assert.equal(content.conversations.length, 1);
    page.once('dialog', (dialog) => dialog.accept());
    await menu('Take me', 'Delete');
    await page.waitForFunction(() => document.querySelectorAll('.entry-title').length === 0);
    await page.locator('input[type=file]').setInputFiles(file);
    await page.getByText('One conversation imported.').waitFor();
    await chat.titles.first().click();
    await chat.answers.filter({ hasText: 'The answer is 42.' }).waitFor();
    await page.locator('input[type=file]').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('{"a":1}') });
    await page.getByText('This file holds no conversations').waitFor();
  });
});

/** Until the pages that are fetched after the first paint are there too. */
const laterPages = () => page.waitForFunction((names) => {
  const there = performance.getEntriesByType('resource').filter((e) => e.responseEnd > 0).map((e) => e.name);
  return names.every((name) => there.some((url) => url.includes(name)));
}, ['models_page', 'live_page', 'highlight', 'plot']);

describe('without the server', () => {
  it('every page opens, old answers are there, and sending works again later', async () => {
    await chat.say('Before');
    await chat.answered(1);
    await laterPages();
    await browser.context.setOffline(true);
    await chat.say('During');
    await chat.answers.nth(1).getByRole('alert').waitFor();
    assert.match(await chat.answers.nth(1).textContent(), /could not be reached/);
    await page.getByText('The server does not answer.').waitFor();
    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('heading', { name: 'Models' }).waitFor();
    await page.getByRole('link', { name: 'Live' }).click();
    await page.getByRole('heading', { name: 'Live' }).waitFor();
    await page.getByRole('link', { name: 'Chat' }).click();
    assert.match(await chat.answers.first().textContent(), /The answer is 42\./);
    await browser.context.setOffline(false);
    await chat.answers.nth(1).getByRole('button', { name: 'Try again' }).click();
    await chat.answers.nth(1).getByText('The answer is 42.').waitFor();
    await page.getByText('Connected').waitFor();
    assert.deepEqual(page.offences, []);
  });

  it('an answer that breaks off is kept as far as it came', async () => {
    const answer = chat.answers.first();
    // A broken connection loses what is still on its way: it breaks when what was sent is there.
    const gate = async (sent) => sent === 5 && (await answer.getByText('half half half half half').waitFor(), 'break');
    Object.assign(script, { pieces: Array(9).fill('half '), gate });
    await chat.say('Break');
    await answer.getByRole('alert').waitFor();
    assert.match(await answer.textContent(), /half half half half half.*The answer failed\./s);
  });
});
