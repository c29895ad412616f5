// Conversations in IndexedDB: one record each, and a small one beside it for the list. Without IndexedDB nothing is kept.
import type { Conversation } from './tree';

export interface ListEntry {
  id: string;
  title: string;
  updated: number;
}

const kName = 'millrace';
const kEntries = 'entries';
const kConversations = 'conversations';

let database: Promise<IDBDatabase | null> | undefined;

function open(): Promise<IDBDatabase | null> {
  database ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open(kName, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(kEntries, { keyPath: 'id' });
        request.result.createObjectStore(kConversations, { keyPath: 'id' });
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return database;
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

/** Kept by the browser, whatever becomes of this page. */
function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.commit();
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB'));
  });
}

export async function isKept(): Promise<boolean> {
  return (await open()) !== null;
}

export async function loadEntries(): Promise<ListEntry[]> {
  const db = await open();
  return db ? result<ListEntry[]>(db.transaction(kEntries).objectStore(kEntries).getAll()) : [];
}

export async function loadConversation(id: string): Promise<Conversation | undefined> {
  const db = await open();
  return db ? result<Conversation | undefined>(db.transaction(kConversations).objectStore(kConversations).get(id)) : undefined;
}

export async function loadAll(): Promise<Conversation[]> {
  const db = await open();
  return db ? result<Conversation[]>(db.transaction(kConversations).objectStore(kConversations).getAll()) : [];
}

export async function store(list: Conversation[]): Promise<void> {
  const db = await open();
  if (!db) return;
  const transaction = db.transaction([kEntries, kConversations], 'readwrite');
  for (const c of list) {
    transaction.objectStore(kEntries).put({ id: c.id, title: c.title, updated: c.updated } satisfies ListEntry);
    transaction.objectStore(kConversations).put(c);
  }
  await finished(transaction);
}

export async function erase(id: string): Promise<void> {
  const db = await open();
  if (!db) return;
  const transaction = db.transaction([kEntries, kConversations], 'readwrite');
  transaction.objectStore(kEntries).delete(id);
  transaction.objectStore(kConversations).delete(id);
  await finished(transaction);
}
