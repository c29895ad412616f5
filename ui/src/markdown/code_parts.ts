// Code in parts of whole lines: one that has grown past a part does not touch it again, and those out of sight cost nothing.

const kPartLines = 40;

export function textParts(text: string): string[] {
  return text.match(kTextPart) ?? [''];
}
const kTextPart = new RegExp(`(?:[^\\n]*\\n){${kPartLines}}|[^]+$`, 'g');

/** The same parts of highlighted text; what is open at an end is closed there and opened again in the next. */
export function htmlParts(html: string): string[] {
  const parts: string[] = [];
  const open: string[] = [];
  let part = '';
  let lines = 0;
  for (const [piece] of html.matchAll(/<\/?span[^>]*>|\n|[^<\n]+/g)) {
    part += piece;
    if (piece === '</span>') open.pop();
    else if (piece.startsWith('<')) open.push(piece);
    if (piece !== '\n' || ++lines % kPartLines !== 0) continue;
    parts.push(part + '</span>'.repeat(open.length));
    part = open.join('');
  }
  if (part !== open.join('') || parts.length === 0) parts.push(part);
  return parts;
}
