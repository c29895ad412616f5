// Markdown → safe HTML. Two walls: the renderer shows raw HTML as text, makes links of images and drops odd addresses; then
// the sanitiser keeps only the elements listed here. The page's policy is the third: no script runs but our own.
import DOMPurify from 'dompurify';
import { Marked, type RendererObject } from 'marked';

const kTags = [
  'a', 'blockquote', 'br', 'code', 'del', 'div', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'input', 'li', 'ol', 'p', 'pre',
  'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
];
const kAttributes = ['align', 'checked', 'class', 'disabled', 'href', 'rel', 'start', 'tabindex', 'target', 'title', 'type'];

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Only pages and mail: no javascript:, data:, file: or relative addresses of this server. */
function safeAddress(href: string): string | null {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function link(href: string, html: string, title?: string | null): string {
  const address = safeAddress(href);
  if (!address) return html;
  const more = title ? ` title="${escape(title)}"` : '';
  return `<a href="${escape(address)}"${more} target="_blank" rel="noopener noreferrer nofollow">${html}</a>`;
}

const renderer: RendererObject = {
  html: ({ text }) => escape(text),
  link({ href, title, tokens }) {
    return link(href, this.parser.parseInline(tokens), title);
  },
  image: ({ href, title, text }) => link(href, escape(text || href), title),
  code: ({ text, lang }) =>
    `<pre tabindex="0"><code${lang ? ` class="language-${escape(lang.split(/\s/)[0] ?? '')}"` : ''}>${escape(text)}</code></pre>`,
  table(token) {
    const cells = (row: typeof token.header, tag: string) =>
      row.map((c) => `<${tag}${c.align ? ` align="${c.align}"` : ''}>${this.parser.parseInline(c.tokens)}</${tag}>`).join('');
    const rows = token.rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('');
    return `<div class="scroll" tabindex="0"><table><thead><tr>${cells(token.header, 'th')}</tr></thead><tbody>${rows}</tbody></table></div>`;
  },
};

const marked = new Marked({ gfm: true, breaks: false, renderer });

/** HTML that may be put into the page. `definitions` are Markdown link definitions the block may refer to. */
export function renderMarkdown(block: string, definitions = ''): string {
  let html: string;
  try {
    html = marked.parse(definitions ? `${block}\n\n${definitions}` : block, { async: false });
  } catch {
    html = `<p>${escape(block)}</p>`; // nested so deeply that the stack ended
  }
  return DOMPurify.sanitize(html, { ALLOWED_TAGS: kTags, ALLOWED_ATTR: kAttributes, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false });
}
