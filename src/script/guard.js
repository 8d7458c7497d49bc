// QuickJS asks whether a script has to stop in most loops of its own functions, but not in these: a sparse array, or an
// object that says it is one, would keep them busy for years. Runs once in each context, before any script.
(() => {
    const MOST = 1 << 24, WORK = 2e8;
    const { apply } = Reflect, { defineProperty } = Object, { isArray } = Array, Refusal = RangeError;
    const guard = (prototype, names, check) => {
        for (const name of names) {
            const own = prototype[name];
            const guarded = { [name](...rest) { check(this, rest, name); return apply(own, this, rest); } }[name];
            defineProperty(guarded, "length", { value: own.length, configurable: true });
            defineProperty(prototype, name, { value: guarded, writable: true, configurable: true });
        }
    };
    const elements = (list, name) => {
        if (list != null && list.length > MOST) throw new Refusal(`${name}: more than ${MOST} elements`);
    };
    guard(Array.prototype, [
        "reverse", "sort", "splice", "join", "copyWithin", "unshift", "shift", "flat", "flatMap", "slice", "fill",
        "toLocaleString", "toSorted", "toReversed", "toSpliced", "with",
    ], (list, rest, name) => elements(list, name));
    guard(Array.prototype, ["concat"], (list, rest, name) => {
        elements(list, name);
        for (let at = 0; at < rest.length; at++) if (isArray(rest[at])) elements(rest[at], name);
    });
    // What takes the search over, such as a regular expression, is asked for its own method and not for a text.
    const { match, replace, split } = Symbol;
    const others = { indexOf: null, lastIndexOf: null, includes: match, split, replace, replaceAll: replace };
    for (const name of ["indexOf", "lastIndexOf", "includes", "split", "replace", "replaceAll"]) {
        const own = String.prototype[name], other = others[name];
        const guarded = { [name](...rest) {
            const part = rest[0];
            const isText = part !== undefined && (other === null || part === null || part[other] == null);
            if (this == null || !isText) return apply(own, this, rest);
            // Made texts here, once: an object could be another one each time.
            const whole = `${this}`, wanted = `${part}`;
            if (wanted.length > 100 && whole.length * wanted.length > WORK) {
                throw new Refusal(`${name}: the texts are too long for each other`);
            }
            rest[0] = wanted;
            return apply(own, whole, rest);
        } }[name];
        defineProperty(guarded, "length", { value: own.length, configurable: true });
        defineProperty(String.prototype, name, { value: guarded, writable: true, configurable: true });
    }
})();
