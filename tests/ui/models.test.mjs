// A model that comes and goes while pages are open: an operator unloads and loads it on the admin port of the real server.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { violations } from './axe.mjs';
import { chatOf, model, openPage, simulated, startBrowser, startServer } from './rig.mjs';
import { startWorld } from './world.mjs';

let server, browser, page, chat;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
  page = await openPage(browser.context, server.url);
  chat = chatOf(page);
  await page.waitForFunction((name) => document.querySelector('.picker')?.textContent.includes(name), model);
  await chat.picker.selectOption(model);
  await page.keyboard.press('Control+,');
  await page.getByLabel('Longest answer').fill('20');
  await page.getByLabel('Longest answer').press('Tab');
  await page.keyboard.press('Escape');
});
after(async () => {
  await browser?.stop();
  await server?.stop();
});

const operate = async (what) => {
  const answer = await fetch(`${server.adminUrl}/v2/repository/models/${model}/${what}`, { method: 'POST' });
  assert.equal(answer.status, 200, await answer.text());
};
const card = () => page.getByRole('article', { name: model });
const notice = () => page.locator('.banner');
const goTo = (name) => page.getByRole('link', { name, exact: true }).click();

describe('a model that is unloaded', () => {
  it('is shown as it is', async () => {
    await goTo('Models');
    await card().getByText('Ready').waitFor();
    await operate('unload');
    await card().getByText('Not loaded', { exact: true }).waitFor();
    await card().getByText(`POST /v2/repository/models/${model}/load`).waitFor();
    assert.equal(await card().getByRole('button', { name: 'Chat with it' }).count(), 0);
  });

  it('is said to be gone in the chat, before asking and after', async () => {
    await goTo('Chat');
    await notice().getByText(`${model} is not loaded: choose another model, or have it loaded.`).waitFor();
    await chat.say('Are you there?');
    await chat.answers.first().getByRole('alert').getByText('The model is unloaded.').waitFor();
    await page.getByRole('button', { name: '中文' }).click();
    await notice().getByText(`${model} 未加载`).waitFor();
    await page.getByRole('button', { name: 'English' }).click();
  });

  it('leaves the others to talk to', async () => {
    await chat.picker.selectOption(simulated);
    await notice().waitFor({ state: 'detached' });
    await chat.say('Are you there?');
    await chat.answers.nth(1).locator('.byline', { hasText: simulated }).waitFor();
    await chat.answered(2);
    assert.equal(await chat.answers.nth(1).getByRole('alert').count(), 0);
  });
});

describe('a model that is loaded again', () => {
  it('is shown coming, and chats', async () => {
    await goTo('Models');
    await card().getByText('Not loaded', { exact: true }).waitFor();
    await operate('load');
    await card().getByText('Ready').waitFor();
    await card().locator('.facts').waitFor();
    await card().getByRole('button', { name: 'Chat with it' }).click();
    await chat.say('Are you back?');
    await chat.answers.first().locator('.byline', { hasText: model }).waitFor();
    await chat.answered(1);
    assert.equal(await chat.answers.first().getByRole('alert').count(), 0);
    assert.match(await chat.answers.first().locator('.markdown').textContent(), /\w/);
    assert.deepEqual(page.offences, []);
  });
});

describe('a server that loads what it is told to', () => {
  const world = { control: 'explicit' };
  let front, other;
  before(async () => {
    world.adminUrl = server.adminUrl;
    front = await startWorld(server.url, world);
    other = await openPage(browser.context, front.url);
    await other.getByRole('link', { name: 'Models' }).click();
    await other.getByRole('article', { name: model }).getByText('Ready').waitFor();
  });
  after(async () => {
    await other?.close();
    await front?.stop();
  });
  const its = () => other.getByRole('article', { name: model });
  /** Presses the button and answers the question, which must be there. */
  const unload = async (accept) => {
    const asked = new Promise((done) => other.once('dialog', (dialog) => (done(dialog.message()), accept ? dialog.accept() : dialog.dismiss())));
    await its().getByRole('button', { name: 'Unload' }).click();
    return asked;
  };

  it('unloads after a question', async () => {
    assert.match(await unload(false), /^Unload smollm2-135m-instruct\? Running answers end first/);
    await its().getByText('Ready').waitFor();
    assert.equal(world.controlled, undefined);
    await unload(true);
    await its().getByText('Not loaded', { exact: true }).waitFor();
    await its().getByText('until it is loaded').waitFor();
    assert.deepEqual(world.controlled, [`/v2/repository/models/${model}/unload`]);
    assert.deepEqual(await violations(other), []);
  });

  it('says what the server says when it may not', async () => {
    world.refuse = 'the memory limit of 1.0 GiB leaves no room for it';
    await its().getByRole('button', { name: 'Load', exact: true }).click();
    await its().getByRole('alert').getByText(world.refuse).waitFor();
    world.refuse = '';
  });

  it('loads, and shows how far it is', async () => {
    let go;
    world.hold = new Promise((done) => (go = done));
    await its().getByRole('button', { name: 'Load', exact: true }).click();
    world.seen = (m) => (m.name === model ? { ...m, state: 'loading', progress: 0.42, stage: 'packing weights' } : m);
    await its().getByText('packing weights 42 %').waitFor();
    assert.equal(await its().getByRole('progressbar', { name: 'Loading' }).getAttribute('value'), '42');
    assert.equal(await its().getByRole('button').count(), 0);
    world.seen = undefined;
    go();
    await its().getByText('Ready').waitFor();
    await its().getByRole('button', { name: 'Unload' }).waitFor();
    assert.equal(await its().getByRole('alert').count(), 0);
    assert.equal(world.controlled.at(-1), `/v2/repository/models/${model}/load`);
  });
});

describe('a server that does not', () => {
  it('says which setting lets the page load', async () => {
    await goTo('Models');
    await page.getByText('--model-control-mode explicit').waitFor();
    assert.equal(await page.getByRole('button', { name: /^(Unload|Load)$/ }).count(), 0);
  });
});
