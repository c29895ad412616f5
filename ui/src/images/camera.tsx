// Takes a picture: with the phone's own camera app where fingers point, else with what the browser sees, in a dialog.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from '../design/icons';
import { t } from '../i18n';

type Take = (files: Iterable<File>) => void;

function Dialog({ onTake, onClose }: { onTake: Take; onClose: () => void }) {
  const words = t.value.images;
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<'starting' | 'live' | 'failed'>('starting');

  useEffect(() => {
    let stream: MediaStream | null = null;
    let gone = false;
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    dialog.current?.showModal();
    navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1920 } } }).then((found) => {
      stream = found;
      if (gone || !video.current) return stop();
      video.current.srcObject = found;
      void video.current.play().then(() => setState('live'), () => setState('failed'));
    }, () => setState('failed'));
    return () => {
      gone = true;
      stop();
    };
  }, []);

  const take = () => {
    const from = video.current!;
    const canvas = document.createElement('canvas');
    canvas.width = from.videoWidth;
    canvas.height = from.videoHeight;
    canvas.getContext('2d')?.drawImage(from, 0, 0);
    const name = `camera ${new Date().toTimeString().slice(0, 8)}.jpg`;
    canvas.toBlob((blob) => blob && onTake([new File([blob], name, { type: 'image/jpeg' })]), 'image/jpeg', 0.92);
    onClose();
  };
  return (
    <dialog class="camera" ref={dialog} aria-label={words.camera} onClose={onClose}>
      <video ref={video} muted playsInline aria-label={words.cameraView} />
      {state === 'failed' && <p class="notice bad" role="alert">{words.cameraFailed}</p>}
      <div class="row end">
        <button type="button" class="button quiet" onClick={onClose}>{t.value.chat.cancel}</button>
        <button type="button" class="button" disabled={state !== 'live'} onClick={take}><Icon name="camera" />{words.take}</button>
      </div>
    </dialog>
  );
}

export function CameraButton({ onTake }: { onTake: Take }) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const label = <><Icon name="camera" />{t.value.images.camera}</>;
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  if (matchMedia('(pointer: coarse)').matches) {
    return (
      <label class="button quiet">{label}
        <input type="file" class="offscreen" accept="image/*" capture="environment"
          onChange={(e) => { onTake(e.currentTarget.files ?? []); e.currentTarget.value = ''; }} />
      </label>
    );
  }
  if (!navigator.mediaDevices?.getUserMedia) return null; // over plain HTTP, from another machine
  return (
    <>
      <button type="button" class="button quiet" ref={button} onClick={() => setOpen(true)}>{label}</button>
      {open && <Dialog onTake={onTake} onClose={close} />}
    </>
  );
}
