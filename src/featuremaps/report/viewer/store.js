// The reader's choices (view, strength, scale, …) in one place: controls change them, figures listen.

export function createStore(initial) {
  const listeners = new Set();
  let state = Object.freeze({ ...initial });
  return {
    get: () => state,
    set(change) {
      const before = state;
      state = Object.freeze({ ...state, ...change });
      for (const listener of listeners) listener(state, before);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
