// What the field calls a method ("Grad-CAM" for grad_cam), as the report's data says.

let names = {};

export function loadNames(known) {
  names = known ?? {};
}

export function methodName(name) {
  return Object.hasOwn(names, name) ? names[name] : name;
}
