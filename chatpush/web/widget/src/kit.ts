// What the parts loaded later share with the widget, so that nothing is sent twice.
// build.mjs turns a part's import of one of these into a look at this table.

import * as dom from './dom';
import * as format from './format';
import * as i18n from './i18n';
import * as icons from './icons';
import * as pane from './pane';
import * as parts from './parts';
import * as push from './push';
import * as session from './session';
import * as storage from './storage';
import * as viewTurn from './view-turn';

export const kit = { dom, format, i18n, icons, pane, parts, push, session, storage, 'view-turn': viewTurn };
