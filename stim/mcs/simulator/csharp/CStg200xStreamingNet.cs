// Streaming: rings in the host, and the thread that carries samples into the device.
using System;
using System.Collections.Generic;
using System.Threading;

namespace Mcs.Usb
{
    public class CStg200xStreamingNet : CStg200xBasicNet
    {
        private const long Slice = SimClock.Second / 1000;

        private readonly int ringSize;
        private SimLane[] channels = new SimLane[0], syncouts = new SimLane[0];
        private SimStream[] streams = new SimStream[0];
        private uint[] channelMaps, syncoutMaps, digoutMaps, autostarts, thresholds, capacities;
        private bool isContinuous;
        private volatile bool isLooping;
        private Thread usb;

        public event OnStg200xDataHandler OnStg200xDataHandlerEvent;
        public event OnStg200xErrorHandler OnStg200xErrorHandlerEvent;

        public CStg200xStreamingNet(uint ringbuffer_size)
        {
            ringSize = (int)ringbuffer_size;
        }

        public CStg200xStreamingNet(
            uint ringbuffer_size, OnStg200xDataHandler dataHandler, OnStg200xErrorHandler errorHandler)
            : this(ringbuffer_size)
        {
            OnStg200xDataHandlerEvent += dataHandler;
            OnStg200xErrorHandlerEvent += errorHandler;
        }

        public override uint Connect(CMcsUsbListEntryNet entry, uint LockMask)
        {
            uint status = base.Connect(entry, LockMask);
            if (status == 0) MakeLanes();
            return status;
        }

        public override void Disconnect()
        {
            EndLoop();
            base.Disconnect();
        }

        public void EnableContinousMode()
        {
            if (IsThere()) SetContinuous(true);
        }

        public void DisableContinousMode()
        {
            if (IsThere()) SetContinuous(false);
        }

        public void SetCapacity(uint[] dwTriggerCapacity)
        {
            if (!Accepts(dwTriggerCapacity.Length <= device.NChannels)) return;
            ulong sum = 0;
            foreach (uint bytes in dwTriggerCapacity) sum += bytes;
            if (!Passes(sum > device.TotalMemory ? Status_NoMemory : 0)) return;
            lock (device.Guard)
            {
                capacities = dwTriggerCapacity;
                ApplyCapacities();
            }
        }

        public void GetCapacity(out uint[] dwTriggerCapacity)
        {
            dwTriggerCapacity = capacities ?? new uint[0];
        }

        public void SetupTrigger(
            uint[] channelmap, uint[] syncoutmap, uint[] digoutmap, uint[] autostart, uint[] callback_threshold)
        {
            bool isValid = Owned(channelmap) && Owned(syncoutmap)
                && channelmap.Length == syncoutmap.Length && channelmap.Length == callback_threshold.Length;
            if (!Accepts(isValid)) return;
            lock (device.Guard)
            {
                channelMaps = channelmap;
                syncoutMaps = syncoutmap;
                digoutMaps = digoutmap;
                autostarts = autostart;
                thresholds = callback_threshold;
                MakeStreams();
            }
        }

        public void GetTrigger(
            out uint[] channelmap, out uint[] syncoutmap, out uint[] digoutmap, out uint[] autostart)
        {
            channelmap = channelMaps ?? new uint[0];
            syncoutmap = syncoutMaps ?? new uint[0];
            digoutmap = digoutMaps ?? new uint[0];
            autostart = autostarts ?? new uint[0];
        }

        public uint EnqueueData(uint channel, short[] data)
        {
            if (!Accepts(IsChannel(channel))) return 0;
            int n = Post(channels[channel], data);
            return (uint)(SimBench.CountsBytes ? 2 * n : n);
        }

        public uint GetDataQueueSpace(uint channel)
        {
            return Accepts(IsChannel(channel)) ? Space(channels[channel]) : 0;
        }

        public uint EnqueueSyncout(uint channel, ushort[] data)
        {
            if (!Accepts(IsChannel(channel))) return 0;
            var words = new short[data.Length];
            Buffer.BlockCopy(data, 0, words, 0, 2 * data.Length);
            return Post(syncouts[channel], words) == data.Length ? 0 : Status_NoMemory;
        }

        public uint GetSyncoutQueueSpace(uint channel)
        {
            return Accepts(IsChannel(channel)) ? Space(syncouts[channel]) : 0;
        }

        public uint GetFramesBuffered(uint trigger)
        {
            if (!Accepts(trigger < streams.Length)) return 0;
            lock (device.Guard)
            {
                device.Advance();
                return (uint)streams[trigger].Buffered;
            }
        }

        public uint GetFramesDone()
        {
            if (!IsThere()) return 0;
            lock (device.Guard)
            {
                device.Advance();
                long done = 0;
                foreach (SimStream stream in streams) done = Math.Max(done, stream.Frames);
                return (uint)done;
            }
        }

        public uint GetCurrentRate(uint trigger)
        {
            if (!Accepts(trigger < streams.Length)) return 0;
            return streams[trigger].IsRunning ? (uint)((ulong)streams[trigger].StartedRate * (1 << 14) / 8000) : 0;
        }

        public void StartLoop()
        {
            if (!IsThere() || isLooping) return;
            isLooping = true;
            usb = new Thread(Loop);
            usb.IsBackground = true;
            usb.Priority = ThreadPriority.AboveNormal;
            usb.Start();
        }

        public void StopLoop()
        {
            if (IsThere()) EndLoop();
        }

        // ---- the thread of USB --------------------------------------------------------

        private void Loop()
        {
            long due = SimClock.Now();
            while (isLooping)
            {
                SimDevice to = device;
                if (to == null) return;
                if (!to.IsPlugged)
                {
                    OnStg200xErrorHandler failed = OnStg200xErrorHandlerEvent;
                    if (failed != null) failed();
                    return;
                }
                if (!to.IsUsbStalled) Transfer(to);
                CallForData(to);
                due = Math.Max(due + Slice, SimClock.Now());
                long wait = (due - SimClock.Now() + Slice / 2) / Slice;
                Thread.Sleep((int)Math.Max(1, wait));
            }
        }

        private void Transfer(SimDevice to)
        {
            lock (to.Guard)
            {
                long now = SimClock.Now();
                foreach (SimStream stream in streams) stream.Pull(now);
            }
        }

        // On the thread of USB: a handler that takes long holds up the samples.
        private void CallForData(SimDevice to)
        {
            OnStg200xDataHandler wanted = OnStg200xDataHandlerEvent;
            if (wanted == null || thresholds == null) return;
            for (int trigger = 0; trigger < streams.Length && isLooping; trigger++)
            {
                bool isBelow;
                lock (to.Guard) isBelow = streams[trigger].IsBelow(thresholds[trigger]);
                if (!isBelow) continue;
                if (to.CallbackDelayMs > 0) Thread.Sleep(to.CallbackDelayMs);
                wanted((uint)trigger);
            }
        }

        private void EndLoop()
        {
            isLooping = false;
            Thread ended = usb;
            usb = null;
            // a handler may have called this, or may wait for the caller
            if (ended != null && ended != Thread.CurrentThread) ended.Join(200);
        }

        // ---- rings --------------------------------------------------------------------

        private void MakeLanes()
        {
            channels = new SimLane[device.NChannels];
            syncouts = new SimLane[device.NChannels];
            for (int i = 0; i < device.NChannels; i++)
            {
                channels[i] = new SimLane(device, device.Channels[i], false, ringSize);
                syncouts[i] = new SimLane(device, device.Syncouts[i], true, ringSize);
            }
            device.EndRuns(true);
        }

        private void MakeStreams()
        {
            device.EndRuns(true);
            device.EndRuns(false);
            streams = new SimStream[channelMaps.Length];
            for (int trigger = 0; trigger < streams.Length; trigger++)
            {
                var stream = streams[trigger] = new SimStream(device);
                foreach (int channel in device.Bits(channelMaps[trigger]))
                    stream.AddChannel(channel, channels[channel]);
                foreach (int syncout in device.Bits(syncoutMaps[trigger]))
                    stream.AddSyncout(syncouts[syncout]);
                device.Runs[trigger] = stream;
            }
            SetContinuous(isContinuous);
            ApplyCapacities();
        }

        private void SetContinuous(bool isContinuous)
        {
            this.isContinuous = isContinuous;
            foreach (SimStream stream in streams) stream.IsContinuous = isContinuous;
        }

        private void ApplyCapacities()
        {
            uint equal = device.TotalMemory / (uint)Math.Max(1, streams.Length);
            for (int trigger = 0; trigger < streams.Length; trigger++)
                streams[trigger].SetCapacity(
                    capacities != null && trigger < capacities.Length ? capacities[trigger] : equal);
        }

        // Each output belongs to one trigger.
        private bool Owned(uint[] maps)
        {
            if (device == null || maps.Length > device.NChannels) return false;
            uint seen = 0;
            foreach (uint map in maps)
            {
                if ((map & seen) != 0 || !IsTriggerMap(map)) return false;
                seen |= map;
            }
            return true;
        }

        private int Post(SimLane lane, short[] words)
        {
            lock (device.Guard) return lane.Post(words, SimClock.Now());
        }

        private uint Space(SimLane lane)
        {
            lock (device.Guard) return (uint)lane.Host.Space;
        }
    }
}
