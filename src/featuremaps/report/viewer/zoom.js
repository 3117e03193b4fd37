// Zoom and pan, shared by several frames: wheel, pinch, drag, keys; a double click resets.

const MOST = 16;
const STEP = 1.25;
const PAN = 0.1;
const KEYS = { "+": [STEP], "=": [STEP], "-": [1 / STEP], 0: null };
const MOVES = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// How often the content is enlarged, and where its upper left corner lies, in sizes of the frame.
export function createZoom() {
  const listeners = new Set();
  let state = { factor: 1, x: 0, y: 0 };
  const bounded = (value, factor) => Math.min(0, Math.max(1 - factor, value));
  const set = ({ factor, x, y }) => {
    state = { factor, x: bounded(x, factor), y: bounded(y, factor) };
    listeners.forEach((listener) => listener(state));
  };
  return {
    get: () => state,
    reset: () => set({ factor: 1, x: 0, y: 0 }),
    // `at` stays where it is: a point of the frame, 0 to 1.
    by(ratio, at = { x: 0.5, y: 0.5 }) {
      const factor = Math.min(MOST, Math.max(1, state.factor * ratio));
      const grown = factor / state.factor;
      set({ factor, x: at.x - (at.x - state.x) * grown, y: at.y - (at.y - state.y) * grown });
    },
    move: (x, y) => set({ ...state, x: state.x + x, y: state.y + y }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

// `frame` stays, `content` inside it moves. With `arrows` the arrow keys move what is enlarged.
export function attachZoom(zoom, frame, content, { arrows = false } = {}) {
  const pointers = new Map();
  const placeOf = ({ clientX, clientY }) => {
    const { left, top, width, height } = frame.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  };
  const spread = () => {
    const [one, two] = [...pointers.values()];
    return { size: Math.hypot(one.x - two.x, one.y - two.y), middle: { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2 } };
  };
  const stop = zoom.subscribe(({ factor, x, y }) => {
    content.style.transform = factor === 1 ? "" : `translate(${100 * x}%, ${100 * y}%) scale(${factor})`;
    frame.classList.toggle("zoomed", factor > 1);
  });
  content.style.transformOrigin = "0 0";
  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom.by(STEP ** (-Math.sign(event.deltaY)), placeOf(event));
  }, { passive: false });
  frame.addEventListener("dblclick", () => zoom.reset());
  frame.addEventListener("pointerdown", (event) => pointers.set(event.pointerId, placeOf(event)));
  frame.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = placeOf(event);
    const start = pointers.size === 2 && spread();
    pointers.set(event.pointerId, now);
    if (start) zoom.by(spread().size / start.size, spread().middle);
    else if (pointers.size === 1 && zoom.get().factor > 1) zoom.move(now.x - before.x, now.y - before.y);
  });
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) frame.addEventListener(kind, ({ pointerId }) => pointers.delete(pointerId));
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in KEYS) KEYS[event.key] ? zoom.by(...KEYS[event.key]) : zoom.reset();
    else if (arrows && zoom.get().factor > 1 && MOVES[event.key]) zoom.move(...MOVES[event.key].map((step) => PAN * step));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return stop;
}
