// The thread that highlights. Output is escaped text within <span class="hljs-…">.
import core from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { htmlParts } from './code_parts';

export interface HighlightRequest {
  id: number;
  text: string;
  language: string;
}
export interface HighlightAnswer {
  id: number;
  parts: string[] | null;
}

const languages = { bash, c, cpp, csharp, css, diff, go, java, javascript, json, python, rust, sql, typescript, xml, yaml };
for (const [name, language] of Object.entries(languages)) core.registerLanguage(name, language);

addEventListener('message', ({ data }: MessageEvent<HighlightRequest>) => {
  const { id, text, language } = data;
  const known = core.getLanguage(language);
  const parts = known ? htmlParts(core.highlight(text, { language, ignoreIllegals: true }).value) : null;
  postMessage({ id, parts } satisfies HighlightAnswer);
});
