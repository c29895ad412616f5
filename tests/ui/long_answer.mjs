// An answer of 20,000 tokens: all kinds of blocks, among them one list and one code block that are long by themselves.
const words = ('the stream turns the wheel and the wheel turns the stone while the miller counts sacks of flour and *listens* to ' +
  'the **steady** sound of `water` over wood').split(' ');

function sentence(n) {
  return Array.from({ length: 24 }, (_, i) => words[(n * 7 + i * 5) % words.length]).join(' ') + '.';
}

export function longAnswer(tokens = 20_000) {
  const parts = [];
  let n = 0;
  const add = (text) => {
    parts.push(text + '\n\n');
    n += text.length / 4.5;
  };
  for (let i = 0; n < tokens * 0.6; i++) {
    if (i % 9 === 0) add(`## Part ${i / 9 + 1}`);
    else if (i % 9 === 4) add('```python\n' + `def step_${i}(x):\n    return x * ${i}\n`.repeat(6) + '```');
    else if (i % 9 === 7) add('| a | b |\n|---|---|\n' + '| one | two |\n'.repeat(8));
    else add(`${sentence(i)} ${sentence(i + 1)} ${sentence(i + 2)}`);
  }
  add('```rust\n' + Array.from({ length: 400 }, (_, i) => `let value_${i} = compute(${i}, "text");`).join('\n') + '\n```');
  add(Array.from({ length: 300 }, (_, i) => `${i + 1}. ${sentence(i).slice(0, 60)}`).join('\n'));
  return parts.join('');
}

export const inTokens = (text) => text.match(/[^]{1,5}/g);
