// The plugin's window as who uses it knows it: by what its controls are called and what it says.
import assert from 'node:assert/strict';

export class Panel {
  static async open(session, sample, theme = 'light') {
    await session.host('open', sample);
    await session.host('run', theme);
    const panel = new Panel();
    panel.session = session;
    panel.ui = session.ui;
    await panel.shows(/^\d+ layers? selected/);
    return panel;
  }

  button(name) {
    return this.ui.getByRole('button', { name, exact: true });
  }
  tab(name) {
    return this.ui.getByRole('tab', { name });
  }
  heading(name) {
    return this.ui.getByRole('heading', { name });
  }
  // A checkbox or a radio button.
  option(name) {
    return this.ui.getByRole('checkbox', { name, exact: true }).or(this.ui.getByRole('radio', { name, exact: true }));
  }
  get style() {
    return this.ui.getByRole('combobox', { name: 'Style' });
  }
  get variants() {
    return this.ui.getByRole('radiogroup', { name: 'Variants' }).getByRole('radio');
  }
  get cards() {
    return this.ui.getByRole('radiogroup', { name: 'Variants' }).locator('> *');
  }

  shows(text) {
    return this.ui.getByText(text).first().waitFor();
  }
  says(text) {
    return this.waitFor('status', text);
  }
  complains(text) {
    return this.waitFor('alert', text);
  }
  async waitFor(role, text) {
    try {
      await this.ui.getByRole(role).filter({ hasText: text }).waitFor();
    } catch (error) {
      throw new Error(`${error.message}\nThe panel says:\n${await this.text()}`);
    }
  }
  text() {
    return this.ui.locator('body').innerText();
  }

  async use(server) {
    await this.enterServer(server);
    await this.says('Saved.');
    await this.tab('Rename layers').click();
  }
  async enterServer(server) {
    await this.tab('Settings').click();
    await this.ui.getByLabel('Server address').fill(server);
    await this.button('Save').click();
  }

  async apply(text) {
    await this.button('Apply').click();
    await this.says(text);
  }

  // The names on offer.
  async names() {
    const rows = this.ui.getByRole('list', { name: 'New names' }).getByRole('listitem');
    return rows.evaluateAll((all) =>
      all.map((row) => ({
        old: row.querySelector('bdi').textContent,
        new: row.querySelector('input[type=text]').value,
      })),
    );
  }
  newName(old) {
    return this.ui.getByRole('textbox', { name: `New name of ${old}`, exact: true });
  }

  // ---- Without a mouse, without eyes ----

  // What has the focus, as a screen reader tells it.
  focused() {
    return this.ui.locator(':focus').evaluate(describe);
  }

  async tabTo(name) {
    for (let steps = 0; steps < 250; ++steps) {
      await this.session.page.keyboard.press('Tab');
      if ((await this.ui.locator(':focus').count()) && (await this.focused()).name === name) return;
    }
    throw new Error(`Tab never comes to ${name}`);
  }

  // Every control that can be seen now.
  async checkControls() {
    const controls = await this.ui.locator(kControls).evaluateAll((all, describe) => {
      const described = new Function(`return ${describe}`)();
      return all.filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0).map(described);
    }, describe.toString());
    assert.deepEqual(
      controls.filter(({ name }) => !name),
      [],
    );

    // Tab goes on from what last had the focus: the top.
    await this.ui.locator('body').evaluate((body) => {
      body.tabIndex = -1;
      body.focus();
      body.removeAttribute('tabindex');
    });
    const met = [];
    while (true) {
      await this.session.page.keyboard.press('Tab');
      if (!(await this.ui.locator(':focus').count())) break;
      const now = await this.focused();
      if (met.length && now.at === met[0].at) break;
      assert.ok(now.outlined, `${now.name} has the focus, and nobody sees it`);
      met.push(now);
      assert.ok(met.length < 200, 'Tab never leaves');
    }
    // Arrows choose within a group of radio buttons or tabs, so Tab meets one of each.
    const single = (list) =>
      list.filter(({ group }, i) => !group || list.findIndex((one) => one.group === group) === i);
    assert.deepEqual(
      single(met).map(({ name }) => name),
      single(controls).map(({ name }) => name),
    );
  }

  // Results and failures are read aloud: what says them was there before.
  async checkLive() {
    assert.equal(await this.ui.locator('html[lang]').count(), 1);
    assert.ok(await this.ui.locator('[role=status]').count());
    assert.ok(await this.ui.locator('[role=alert]').count());
    assert.deepEqual(await this.ui.locator('img:not([alt])').count(), 0);
  }
}

const kControls = 'button, input, select, textarea, summary, a[href], [tabindex]:not([tabindex="-1"])';

// Runs in the plugin's window. computedName is of Chromium's accessibility tree (session.mjs has the flag).
function describe(element) {
  const style = getComputedStyle(element);
  return {
    name: element.computedName,
    group: element.type === 'radio' ? `radio ${element.name}` : element.role === 'tab' ? 'tabs' : '',
    at: [...document.querySelectorAll('*')].indexOf(element),
    outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
  };
}
