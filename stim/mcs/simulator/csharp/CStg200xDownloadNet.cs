// Download: what is stored in the device and plays without the host.
using System;
using System.Collections.Generic;
using System.Threading;

namespace Mcs.Usb
{
    public abstract class CStg200xDownloadBasicNet : CStg200xBasicNet
    {
        public virtual void ClearChannelData(uint channel)
        {
            if (Accepts(IsChannel(channel))) device.Store.Clear((int)channel);
        }

        public virtual void ClearSyncData(uint channel)
        {
            if (Accepts(IsChannel(channel))) device.Store.Clear(device.NChannels + (int)channel);
        }

        // Words are the magnitude in steps, and above it the sign.
        public virtual void SendChannelData(uint channel, ushort[] pData, ulong[] tData)
        {
            if (!Accepts(IsChannel(channel))) return;
            SimOutput output = device.Channels[channel];
            int sign = 1 << device.DacBits - 1;
            int[] levels = Array.ConvertAll(
                pData, word => ((word & sign) != 0 ? -1 : 1) * (word & sign - 1) * device.Resolution(output));
            Passes(device.Store.Write((int)channel, levels, tData, false));
        }

        public virtual void SendSyncData(uint channel, ushort[] pData, ulong[] tData)
        {
            if (!Accepts(IsChannel(channel))) return;
            int[] levels = Array.ConvertAll(pData, word => (int)word);
            Passes(device.Store.Write(device.NChannels + (int)channel, levels, tData, false));
        }

        public virtual void SetupTrigger(uint first_trigger, uint[] channelmap, uint[] syncoutmap, uint[] repeat)
        {
            bool isValid = device != null && channelmap.Length == syncoutmap.Length
                && channelmap.Length == repeat.Length && first_trigger + channelmap.Length <= device.NChannels
                && Array.TrueForAll(channelmap, IsTriggerMap) && Array.TrueForAll(syncoutmap, IsTriggerMap);
            if (Accepts(isValid)) device.Store.SetupTrigger(first_trigger, channelmap, syncoutmap, repeat);
        }

        public virtual void SetupRetriggerMode(RetriggerActionEnumNet same_trigger, RetriggerActionEnumNet other_trigger)
        {
            SetupRetriggerMode(-1, same_trigger, other_trigger);
        }

        public virtual void SetupRetriggerMode(
            sbyte trigger, RetriggerActionEnumNet same_trigger, RetriggerActionEnumNet other_trigger)
        {
            bool isKnown = (int)same_trigger <= (int)SimRetrigger.Ignore;
            if (IsThere() && Passes(isKnown ? 0 : Status_NotSupported))
                device.Store.SetupRetrigger(trigger, (SimRetrigger)(int)same_trigger);
        }

#if GENERATION_5
        public void GetTrigger(out uint[] channelmap, out uint[] syncoutmap, out uint[] repeat)
        {
#else
        public void GetTrigger(ref uint[] channelmap, ref uint[] syncoutmap, ref uint[] repeat)
        {
#endif
            channelmap = syncoutmap = repeat = new uint[0];
            if (IsThere()) device.Store.GetTrigger(out channelmap, out syncoutmap, out repeat);
        }

#if GENERATION_5
        public virtual void SetupTriggerSingle(uint trigger, uint channelmap, uint syncoutmap, uint repeat)
        {
            SetupTrigger(trigger, new[] { channelmap }, new[] { syncoutmap }, new[] { repeat });
        }

        public uint GetMemoryUsageDAC(uint Channel)
        {
            return Accepts(IsChannel(Channel)) ? device.Store.Used((int)Channel) : 0;
        }

        public uint GetMemoryUsageSyncout(uint Channel)
        {
            return Accepts(IsChannel(Channel)) ? device.Store.Used(device.NChannels + (int)Channel) : 0;
        }
#else
        public void SetCapacity(uint[] channelCapacity, uint[] syncCapacity)
        {
            if (IsThere()) Passes(device.Store.SetCapacities(channelCapacity, syncCapacity));
        }

        public void GetCapacity(out uint[] channelCapacity, out uint[] syncCapacity)
        {
            channelCapacity = Capacities(0);
            syncCapacity = Capacities(device == null ? 0 : device.NChannels);
        }

        private uint[] Capacities(int firstOutput)
        {
            var capacities = new uint[IsThere() ? device.NChannels : 0];
            for (int i = 0; i < capacities.Length; i++) capacities[i] = device.Store.Capacity(firstOutput + i);
            return capacities;
        }
#endif
    }

    public class CStg200xDownloadNet : CStg200xDownloadBasicNet
    {
        private const int PollMs = 5;
        private const uint DownloadOnly = 2, TriggerOnly = 4;

        private Thread poll;

#if GENERATION_5
        public event OnStgPollStatus Stg200xPollStatusEvent;

        public CStg200xDownloadNet(OnStgPollStatus pollStatus)
        {
            Stg200xPollStatusEvent += pollStatus;
        }
#else
        public event OnStg200xPollStatus Stg200xPollStatusEvent;

        public CStg200xDownloadNet(OnStg200xPollStatus pollStatus)
        {
            Stg200xPollStatusEvent += pollStatus;
        }
#endif
        public CStg200xDownloadNet() { }

        public override uint Connect(CMcsUsbListEntryNet entry, uint LockMask)
        {
            uint status = base.Connect(entry, LockMask);
            if (status != 0) return status;
            device.EndRuns(true);
            poll = new Thread(Poll);
            poll.IsBackground = true;
            poll.Start();
            return status;
        }

        public void PrepareAndSendData(uint channel, int[] Amplitude, ulong[] Duration, STG_DestinationEnumNet dest_type)
        {
            Send(channel, Amplitude, Duration, dest_type, false);
        }

        public void PrepareAndAppendData(uint channel, int[] Amplitude, ulong[] Duration, STG_DestinationEnumNet dest_type)
        {
            Send(channel, Amplitude, Duration, dest_type, true);
        }

        public void ClearChannel_PrepareAndSendData(
            uint channel, int[] Amplitude, ulong[] Duration, STG_DestinationEnumNet dest_type, bool doClear)
        {
            Send(channel, Amplitude, Duration, dest_type, !doClear);
        }

#if GENERATION_5
        public void SegmentDefine(uint[] segment_list)
        {
            if (IsThere()) Passes(device.Store.Define(segment_list));
        }

        public void SegmentSelect(uint segment, Stg200xSegmentFlagsEnumNet segmentflags)
        {
            Select(segment, (uint)segmentflags);
        }

        public void SegmentStart(uint triggermap, uint segment, Stg200xSegmentFlagsEnumNet segmentflags)
        {
            if (Select(segment, (uint)segmentflags)) SendStart(triggermap);
        }

        public StgStatusNet QueryTriggerstatus()
        {
            return IsThere() ? new StgStatusNet(States(device), new uint[0]) : null;
        }
#else
        public void SendSegmentDefine(uint[] segment_list)
        {
            if (IsThere()) Passes(device.Store.Define(segment_list));
        }

        public void SendSegmentSelect(uint segment, uint segmentflags)
        {
            Select(segment, segmentflags);
        }

        public void SendSegmentStart(uint triggermap, uint segment, uint segmentflags)
        {
            if (Select(segment, segmentflags)) SendStart(triggermap);
        }

        public uint QueryTriggerstatus()
        {
            return IsThere() ? Pack(States(device)) : 0;
        }
#endif

        private void Send(uint channel, int[] amplitudes, ulong[] us, STG_DestinationEnumNet to, bool isAppended)
        {
            bool isSyncout = to == STG_DestinationEnumNet.syncoutdata;
            bool isKnown = isSyncout || to == STG_DestinationEnumNet.channeldata_voltage
                || to == STG_DestinationEnumNet.channeldata_current;
            if (!Accepts(IsChannel(channel)) || !Passes(isKnown ? 0 : Status_NotSupported)) return;
            int output = (int)channel + (isSyncout ? device.NChannels : 0);
            lock (device.Guard)
            {
                int[] levels = (int[])amplitudes.Clone();
                SimOutput at = device.Output(output);
                for (int i = 0; i < levels.Length && i < us.Length && !isSyncout; i++)
                    if (us[i] > 0) levels[i] = device.LevelOfAmplitude(at, levels[i]);
                Passes(device.Store.Write(output, levels, us, isAppended));
            }
        }

        private bool Select(uint segment, uint flags)
        {
            return IsThere() && Passes(
                device.Store.Select(segment, (flags & TriggerOnly) == 0, (flags & DownloadOnly) == 0));
        }

        // Idle, running or finished, in the numbers of the vendor.
        private static int[] States(SimDevice of)
        {
            lock (of.Guard)
            {
                of.Advance();
                return Array.ConvertAll(
                    of.Runs, run => run == null ? 0 : run.IsRunning ? 1 : run.IsFinished ? 2 : 0);
            }
        }

        // Two bits for each trigger; how the real device packs them is not documented.
        private static uint Pack(int[] states)
        {
            uint packed = 0;
            for (int i = 0; i < states.Length; i++) packed |= (uint)states[i] << 2 * i;
            return packed;
        }

        private void Poll()
        {
            int[] before = new int[0];
            while (true)
            {
                SimDevice at = device;
                if (at == null || !at.IsPlugged) return;
                int[] now = States(at);
                var changed = new List<int>();
                for (int i = 0; i < now.Length; i++)
                    if (i >= before.Length ? now[i] != 0 : now[i] != before[i]) changed.Add(i);
                before = now;
                if (changed.Count > 0) Tell(now, changed);
                Thread.Sleep(PollMs);
            }
        }

        private void Tell(int[] states, List<int> changed)
        {
            var told = Stg200xPollStatusEvent;
            if (told == null) return;
#if GENERATION_5
            uint[] triggers = Array.ConvertAll(changed.ToArray(), i => (uint)i);
            told(Pack(states), new StgStatusNet(states, triggers), changed.ToArray());
#else
            told(Pack(states), changed.ToArray());
#endif
        }
    }
}

#if GENERATION_5
namespace Mcs.Usb
{
    public class StgStatusNet
    {
        public Stg200xTriggerStatusEnumNet[] TiggerStatus = new Stg200xTriggerStatusEnumNet[0];
        public uint[] ListOfChangedTriggers = new uint[0];
        public Stg5OvercurrentStatusEnumNet OvercurrentStatus;

        public StgStatusNet() { }

        internal StgStatusNet(int[] states, uint[] changed)
        {
            TiggerStatus = Array.ConvertAll(states, state => (Stg200xTriggerStatusEnumNet)state);
            ListOfChangedTriggers = changed;
        }
    }
}
#endif
