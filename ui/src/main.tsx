import { render } from 'preact';
import { startPolling } from './api/poll';
import './design/base.css';
import './design/shell.css';
import './design/chat.css';
import './design/pages.css';
import './design/images.css';
import { App } from './shell/app';
import { startConversations } from './store/conversations';

void startConversations();
startPolling();
render(<App />, document.getElementById('app')!);
