// The reader's choices (view, strength, scale, …) in one place: controls change them, figures listen.

// What a section's display says at first, in the words of the controls.
export function displayState({ colormap, strength, scale }) {
  const signed = scale === "signed";
  return {
    view: "overlay", strength, scale, fade: true, whole: false,
    sequential: signed ? "inferno" : colormap, diverging: signed ? colormap : "RdBu_r",
  };
}

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
