// axe's verdict on what a page shows now.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Until nothing moves or changes its colour: what never ends is left out. */
const settled = (page) => page.evaluate(() => Promise.allSettled(
  document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations < Infinity).map((a) => a.finished)));

export async function violations(page) {
  await page.evaluate((source) => (0, eval)(source), axe).catch(async () => {
    // The policy forbids eval, as it should: DevTools may still evaluate.
    const session = await page.context().newCDPSession(page);
    await session.send('Runtime.evaluate', { expression: axe });
    await session.detach();
  });
  await settled(page);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join('; ')}`);
}

/** Calls `check` for each colours and language, as a person would choose them. */
export async function inEveryLook(page, check) {
  for (const colours of ['Light', 'Dark']) {
    await page.getByRole('button', { name: colours, exact: true }).click();
    for (const language of ['中文', 'English']) {
      await page.getByRole('button', { name: language }).click();
      await check(`${colours}, ${language}`);
    }
  }
  await page.getByRole('button', { name: 'As the system' }).click();
}
