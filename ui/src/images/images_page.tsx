import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { reachable, serverState } from '../api/poll';
import { imageModels, type ModelInfo, type Task } from '../api/state';
import { percent } from '../design/format';
import { Icon } from '../design/icons';
import { language, t } from '../i18n';
import { MenuButton } from '../shell/menu';
import { CameraButton } from './camera';
import { chooseImageModel, chosenImageModel } from './chosen';
import { PictureCard } from './picture_card';
import { addPictures, announcement, clearPictures, kMostPictures, pictures, question } from './pictures';

const topK = signal(5);
const threshold = signal(0.5);

function useFiles() {
  const [leftOut, setLeftOut] = useState({ notPictures: 0, tooMany: 0 });
  const add = (files: Iterable<File>) => setLeftOut(addPictures(files));
  useLayoutEffect(() => { // with the page, not after it is seen: who is quick loses nothing
    const paste = (e: ClipboardEvent) => {
      const files = [...(e.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      e.preventDefault();
      add(files);
    };
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, []);
  return { add, leftOut };
}

/** Files may be dropped anywhere on the page. */
function useDrop(add: (files: Iterable<File>) => void) {
  const [over, setOver] = useState(false);
  const depth = useRef(0); // entering a child comes before leaving its parent
  const move = (by: number) => {
    depth.current = Math.max(0, depth.current + by);
    setOver(depth.current > 0);
  };
  const handlers = {
    onDragEnter: (e: DragEvent) => (e.preventDefault(), move(1)),
    onDragLeave: () => move(-1),
    onDragOver: (e: DragEvent) => e.preventDefault(),
    onDrop: (e: DragEvent) => {
      e.preventDefault();
      move(-depth.current);
      add(e.dataTransfer?.files ?? []);
    },
  };
  return { over, handlers };
}

function Choose({ add }: { add: (files: Iterable<File>) => void }) {
  return (
    <>
      <label class="button"><Icon name="upload" />{t.value.images.choose}
        <input type="file" class="offscreen" multiple accept="image/*"
          onChange={(e) => { add([...(e.currentTarget.files ?? [])]); e.currentTarget.value = ''; }} />
      </label>
      <CameraButton onTake={add} />
    </>
  );
}

function Controls({ models, model }: { models: ModelInfo[]; model: ModelInfo }) {
  const words = t.value.images;
  const whole = (text: string) => Math.max(1, Math.min(20, Math.round(Number(text)) || 1));
  return (
    <div class="image-controls">
      <label><span>{t.value.chat.model}</span>
        <select class="picker" value={model.name} onChange={(e) => chooseImageModel(e.currentTarget.value)}>
          {models.map((m) => <option key={m.name} value={m.name}>{words.modelAs(m.name, words.tasks[m.task!])}</option>)}
        </select>
      </label>
      {model.task === 'classify' ? (
        <label><span>{words.topK}</span>
          <input type="number" class="short" min={1} max={20} value={topK.value}
            onInput={(e) => { if (e.currentTarget.value) topK.value = whole(e.currentTarget.value); }} />
        </label>
      ) : (
        <label><span>{words.threshold}</span>
          <input type="range" min={0.05} max={0.95} step={0.05} value={threshold.value} aria-valuetext={percent(threshold.value)}
            onInput={(e) => (threshold.value = Number(e.currentTarget.value))} />
          <output class="figure">{percent(threshold.value)}</output>
        </label>
      )}
      {pictures.value.length > 0 && (
        <button type="button" class="button quiet" onClick={clearPictures}><Icon name="trash" />{words.clear}</button>
      )}
    </div>
  );
}

/** No model to ask: one may be coming, else how to get one. */
function NoModel() {
  const words = t.value.images;
  const coming = serverState.value?.models.find((m) => m.task && m.state === 'loading');
  return (
    <section class="card get-model">
      <Icon name="images" />
      <h2>{coming ? t.value.chat.notReady.loading(coming.name) : words.noModel}</h2>
      {!coming && <p>{words.getModel}</p>}
      {!coming && <pre><code>make demo-models</code></pre>}
      {!coming && <p class="help">{words.getModelMore}</p>}
    </section>
  );
}

/** Keeps what is asked in step with what is chosen. */
function useQuestion(model: ModelInfo | undefined) {
  const [k, share] = [topK.value, threshold.value];
  useEffect(() => {
    question.value = model ? { model: model.name, task: model.task as Task, topK: k, threshold: share } : null;
  }, [model?.name, model?.task, k, share]);
}

export function ImagesPage() {
  const words = t.value.images;
  const models = imageModels(serverState.value);
  const model = models.find((m) => m.name === chosenImageModel.value) ?? models[0];
  const { add, leftOut } = useFiles();
  const { over, handlers } = useDrop(add);
  const list = pictures.value;
  useQuestion(model);
  return (
    <div class={`page wide images${over ? ' over' : ''}`} role="region" aria-label={words.title} tabIndex={0} {...handlers}>
      <header class="page-head">
        <MenuButton />
        <div><h1>{words.title}</h1><p>{words.intro}</p></div>
      </header>
      {reachable.value === false && <p class="banner" role="status">{t.value.server.down}</p>}
      {!model && serverState.value && <NoModel />}
      {model && <Controls models={models} model={model} />}
      {model && (
        <section class={`drop${list.length > 0 ? ' slim' : ''}`} aria-label={words.add}>
          {list.length === 0 && <Icon name="images" />}
          <p>{words.dropHere}</p>
          <div class="row"><Choose add={add} /></div>
        </section>
      )}
      <div role="status" class="left-out">
        {leftOut.notPictures > 0 && <p class="notice">{words.notPictures(String(leftOut.notPictures))}</p>}
        {leftOut.tooMany > 0 && <p class="notice">{words.tooMany(String(kMostPictures), String(leftOut.tooMany))}</p>}
      </div>
      <div class="pictures">
        {list.map((p) => <PictureCard key={p.id} picture={p} question={question.value} language={language.value} />)}
      </div>
      <p class="offscreen" role="status" aria-live="polite">{announcement.value}</p>
    </div>
  );
}
