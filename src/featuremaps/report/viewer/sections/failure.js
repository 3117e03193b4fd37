// What stands where a section could not be made.

import { failure } from "featuremaps/dom.js";

export function render(section) {
  return failure("This section could not be made.", section.message);
}
