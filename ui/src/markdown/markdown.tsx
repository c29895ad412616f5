import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { memo } from '../design/memo';
import { CopyButton } from '../design/copy_button';
import { t } from '../i18n';
import { GrowingMarkdown, type Block } from './blocks';
import { textParts } from './code_parts';
import { highlight } from './highlight';
import { renderMarkdown } from './render';

const kHighlightLimit = 200_000; // characters; so many coloured words are slow to show

const TextBlock = memo(function TextBlock({ raw, links }: { raw: string; links: string }) {
  const html = useMemo(() => renderMarkdown(raw, links), [raw, links]);
  return <div class="block" dangerouslySetInnerHTML={{ __html: html }} />;
});

const CodeBlock = memo(function CodeBlock({ text, language, settled }: { text: string; language: string; settled: boolean }) {
  const [html, setHtml] = useState<string[] | null>(null);
  const wanted = settled && language !== '' && text.length < kHighlightLimit;
  useEffect(() => {
    setHtml(null);
    if (!wanted) return;
    let gone = false;
    void highlight(text, language.toLowerCase()).then((parts) => !gone && setHtml(parts));
    return () => void (gone = true);
  }, [wanted, text, language]);
  return (
    <div class="block code">
      <div class="code-head">
        <span>{language || '\u00a0'}</span>
        <CopyButton text={() => text} label={t.value.chat.copyCode} />
      </div>
      <pre tabIndex={0}>
        <code>
          {textParts(text).map((part, i) => (html === null ? <span key={i} class="part">{part}</span>
            : <span key={`coloured ${i}`} class="part" dangerouslySetInnerHTML={{ __html: html[i] ?? '' }} />))}
        </code>
      </pre>
    </div>
  );
});

/** Shows Markdown; while it grows only its last block is rendered again. */
export function Markdown({ text, growing }: { text: string; growing: boolean }) {
  const state = useRef<GrowingMarkdown | null>(null);
  state.current ??= new GrowingMarkdown();
  const [turn, setTurn] = useState(0);
  const blocks = useMemo(() => state.current!.update(text, !growing), [text, growing, turn]);
  useEffect(() => { // no more text may come for long
    const wait = state.current!.behind();
    const timer = wait > 0 ? setTimeout(() => setTurn(turn + 1), wait) : 0;
    return () => clearTimeout(timer);
  });
  const definitions = state.current.links();
  const show = (block: Block, i: number) => {
    if (block.code) {
      return <CodeBlock key={i} {...block.code} settled={!growing || i < blocks.length - 1} />;
    }
    if (block.plain) return <div key={i} class="block plain">{block.raw}</div>;
    const links = definitions && block.raw.includes('[') ? definitions : '';
    return <TextBlock key={i} raw={block.raw} links={links} />;
  };
  return <div class="markdown">{blocks.map(show)}</div>;
}
